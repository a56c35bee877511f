import type { ReleaseDiff } from '@taxiway/domain/environment/diff.ts'
import { Refused, repositoryId, runId } from '../client.ts'
import { exitCodes } from '../exit-codes.ts'
import { type Asked, type RunAnswer, serverCommand, tell } from '../server-command.ts'
import { diffLinesOf } from './diff.ts'

/** `taxiway adopt`: what others made in a cluster is taken over. */
export const adopt = serverCommand({
  name: 'adopt',
  usage: `Usage: taxiway adopt REPO ENVIRONMENT RUN [options]

Takes over what kubectl, Helm, Argo CD or others made under the names of the run's objects, and deploys the run. RUN is the one that was
refused for it (manifest_conflict): its id, or the address of its page. Shows what changes, and does it with --yes. What stands there is kept
as release 0, to which a release that fails goes back. Pods whose template stays the same go on. Needs a token of an admin. REPO is owner/name,
or the id of the repository.

  --yes            do it
  --wait           until the run is over; exit code 1 unless it succeeded`,
  words: { least: 3, most: 3 },
  options: { yes: { type: 'boolean' }, wait: { type: 'boolean' } },
  async act(asked) {
    const { client, words, options } = asked
    const [name = '', environment = '', source = ''] = words
    const id = runId(source)
    if (!options.yes) return show(asked, id, environment)
    const path = `/repos/${await repositoryId(client, name)}/environments/${encodeURIComponent(environment)}/adopt`
    const run: RunAnswer = await client.call('POST', path, { runId: id })
    return tell(asked, run, `${run.repository} #${run.number} takes over what stands in ${environment}.`)
  },
})

/** What would change, and how to have it so. */
async function show({ client, words, options }: Asked, id: string, environment: string): Promise<number> {
  const { items } = (await client.call('GET', `/runs/${encodeURIComponent(id)}/diff`)) as { items: ReleaseDiff[] }
  const diff = items.find((one) => one.environment === environment)
  if (!diff) throw new Refused(`the run has come to no release in ${environment}, so there is nothing to take over.`)
  if (options.json) process.stdout.write(`${JSON.stringify(diff, null, 2)}\n`)
  else
    process.stdout.write(
      `${diffLinesOf(diff).join('\n')}\n\nNothing is changed yet: taxiway adopt ${words.join(' ')} --yes\n`,
    )
  return exitCodes.good
}
