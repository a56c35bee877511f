import { setTimeout as sleep } from 'node:timers/promises'
import { styleText } from 'node:util'
import { type Client, Refused, repositoryId } from '../client.ts'
import { exitCodes } from '../exit-codes.ts'
import { serverCommand } from '../server-command.ts'

const pollMs = 1000

/** `taxiway delete`: an environment, or a repository with all of its environments. */
export const deleteCommand = serverCommand({
  name: 'delete',
  usage: `Usage: taxiway delete REPO [ENVIRONMENT] --objects delete|keep [options]

Deletes an environment with its history and rules; without ENVIRONMENT the repository, and with --objects delete its environments before it.
Needs a token of an admin. REPO is owner/name, or the id of the repository.

  --objects delete  what runs there is taken away; volume claims, and what would take them along, are left
  --objects keep    it is left running`,
  words: { least: 1, most: 2 },
  options: { objects: { type: 'string' } },
  async act({ client, words, options }) {
    const [name = '', environment] = words
    const objects = options.objects as string | undefined
    if (objects !== undefined && objects !== 'delete' && objects !== 'keep')
      throw new Refused(`--objects is delete or keep, not ${objects}.`)
    const path = `/repos/${await repositoryId(client, name)}`
    const query = objects === undefined ? '' : `?objects=${objects}`
    if (environment !== undefined) await deleteEnvironment(client, path, environment, query)
    else {
      if (objects === 'delete') await deleteEnvironments(client, path, query)
      await client.call('DELETE', `${path}${objects === 'keep' ? query : ''}`)
    }
    process.stdout.write(`${styleText('green', '✓')} ${environment ?? name} is deleted.\n`)
    return exitCodes.good
  },
})

async function deleteEnvironments(client: Client, path: string, query: string): Promise<void> {
  const { items } = (await client.call('GET', `${path}/environments`)) as {
    items: { name: string; preview?: object }[]
  }
  for (const { name, preview } of items) if (!preview) await deleteEnvironment(client, path, name, query)
}

/** Until it is gone. @throws Refused when it was not deleted, with the reason */
async function deleteEnvironment(client: Client, path: string, name: string, query: string): Promise<void> {
  const own = `${path}/environments/${encodeURIComponent(name)}`
  const { id } = (await client.call('DELETE', `${own}${query}`)) as { id: number }
  for (;;) {
    const { items } = (await client.call('GET', `${path}/environments`)) as { items: { name: string }[] }
    if (!items.some((one) => one.name === name)) return
    const changes = (await client.call('GET', `${own}/changes`)) as {
      items: { id: number; state: string; reason?: { message: string } }[]
    }
    const change = changes.items.find((one) => one.id === id)
    if (change?.state === 'refused') throw new Refused(change.reason?.message ?? `${name} was not deleted.`)
    await sleep(pollMs)
  }
}
