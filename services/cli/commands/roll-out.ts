import { Refused, repositoryId, runId } from '../client.ts'
import { type Asked, type RunAnswer, serverCommand, tell } from '../server-command.ts'

const wait = '  --wait           until the run is over; exit code 1 unless it succeeded'
const repo = 'REPO is owner/name, or the id of the repository.'

/** `taxiway promote`: what is live in one environment goes to another. */
export const promote = serverCommand({
  name: 'promote',
  usage: `Usage: taxiway promote REPO FROM TO [options]

Gives what is live in environment FROM to environment TO: the same commit and images, nothing is built. ${repo}

${wait}`,
  words: { least: 3, most: 3 },
  options: { wait: { type: 'boolean' } },
  act: (asked) => begin(asked, 'promote', { to: asked.words[2] }, `goes to ${asked.words[2]}`),
})

/** `taxiway deploy`: what an earlier run published goes to an environment. */
export const deploy = serverCommand({
  name: 'deploy',
  usage: `Usage: taxiway deploy REPO ENVIRONMENT RUN [options]

Deploys what an earlier run published. RUN is its id, or the address of its page. ${repo}

${wait}`,
  words: { least: 3, most: 3 },
  options: { wait: { type: 'boolean' } },
  act: (asked) => begin(asked, 'deploy', { runId: runId(asked.words[2] ?? '') }, `goes to ${asked.words[1]}`),
})

/** `taxiway rollback`: an environment is given an earlier release again. */
export const rollback = serverCommand({
  name: 'rollback',
  usage: `Usage: taxiway rollback REPO ENVIRONMENT [options]

Gives the environment an earlier release again, with all its objects as they were. ${repo}

  --to N           this release, as taxiway releases numbers them; without it, the last healthy one of another commit
  --hold           put a hold on the environment as well, so that the next push does not deploy again what was left
${wait}`,
  words: { least: 2, most: 2 },
  options: { to: { type: 'string' }, hold: { type: 'boolean' }, wait: { type: 'boolean' } },
  act(asked) {
    const to = asked.options.to as string | undefined
    if (to !== undefined && !/^(0|[1-9][0-9]{0,8})$/.test(to))
      throw new Refused(`--to is a number of a release, not ${to}.`)
    const hold = asked.options.hold === true
    const body = { ...(to === undefined ? {} : { generation: Number(to) }), ...(hold ? { hold } : {}) }
    return begin(asked, 'rollback', body, `brings back an earlier release of ${asked.words[1]}`)
  },
})

async function begin(asked: Asked, act: string, body: object, what: string): Promise<number> {
  const { client, words } = asked
  const [name = '', environment = ''] = words
  const id = await repositoryId(client, name)
  const path = `/repos/${id}/environments/${encodeURIComponent(environment)}/${act}`
  const run: RunAnswer = await client.call('POST', path, body)
  return tell(asked, run, `${run.repository} #${run.number} ${what}.`)
}
