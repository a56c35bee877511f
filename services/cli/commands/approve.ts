import { Refused, runId } from '../client.ts'
import { type Asked, type RunAnswer, serverCommand, tell } from '../server-command.ts'

const words = `RUN is the id of a run, or the address of its page. Without ENVIRONMENT it is the one that the run waits before.
`
const wait = '  --wait           until the run is over; exit code 1 unless it succeeded'

/** `taxiway approve`: a release that waits may begin. */
export const approve = serverCommand({
  name: 'approve',
  usage: `Usage: taxiway approve RUN [ENVIRONMENT] [options]

Lets a release begin that waits for an approval. ${words}
${wait}`,
  words: { least: 1, most: 2 },
  options: { wait: { type: 'boolean' } },
  act: (asked) => decide(asked, 'approve'),
})

/** `taxiway reject`: a release that waits shall not begin. */
export const reject = serverCommand({
  name: 'reject',
  usage: `Usage: taxiway reject RUN [ENVIRONMENT] [options]

Ends a run whose release waits for an approval. ${words}`,
  words: { least: 1, most: 2 },
  act: (asked) => decide(asked, 'reject'),
})

async function decide(asked: Asked, act: 'approve' | 'reject'): Promise<number> {
  const { client, words } = asked
  const id = runId(words[0] ?? '')
  const run: RunAnswer = await client.call('GET', `/runs/${encodeURIComponent(id)}`)
  const environment = words[1] ?? run.waiting?.environment
  if (!environment) throw new Refused(`Run ${run.repository} #${run.number} waits for no approval: it is ${run.state}.`)
  const path = `/repos/${run.repo}/environments/${encodeURIComponent(environment)}/${act}`
  const moved: RunAnswer = await client.call('POST', path, { runId: run.id })
  const what = act === 'approve' ? 'may go to' : 'does not go to'
  return tell(asked, moved, `${run.repository} #${run.number} ${what} ${environment}.`)
}
