import { styleText } from 'node:util'
import { oneLine } from '@taxiway/domain/reason.ts'
import { repositoryId } from '../client.ts'
import { exitCodes } from '../exit-codes.ts'
import { type Asked, serverCommand } from '../server-command.ts'

const repo = 'REPO is owner/name, or the id of the repository.'

/** `taxiway releases`: what happened in an environment, newest first. */
export const releases = serverCommand({
  name: 'releases',
  usage: `Usage: taxiway releases REPO ENVIRONMENT [options]

Shows the releases of an environment, newest first: what brought each, who asked for it, and what became of it. ${repo}
`,
  words: { least: 2, most: 2 },
  async act(asked) {
    const { items } = (await asked.client.call('GET', `${await pathOf(asked)}/releases`)) as { items: Release[] }
    if (asked.options.json) process.stdout.write(`${JSON.stringify(items, null, 2)}\n`)
    else if (items.length === 0) process.stdout.write('There are no releases yet.\n')
    else process.stdout.write(`${releaseLines(items).join('\n')}\n`)
    return exitCodes.good
  },
})

/** `taxiway unhold`: lifts the hold that failed releases put on an environment. */
export const unhold = serverCommand({
  name: 'unhold',
  usage: `Usage: taxiway unhold REPO ENVIRONMENT [options]

Lifts the hold that two failed releases in a row put on an environment: what waits goes on. ${repo}
`,
  words: { least: 2, most: 2 },
  async act(asked) {
    const environment = await asked.client.call('DELETE', `${await pathOf(asked)}/hold`)
    if (asked.options.json) process.stdout.write(`${JSON.stringify(environment, null, 2)}\n`)
    else process.stdout.write(`${styleText('green', '✓')} ${asked.words[1]} is not on hold.\n`)
    return exitCodes.good
  },
})

async function pathOf({ client, words }: Asked): Promise<string> {
  const [name = '', environment = ''] = words
  return `/repos/${await repositoryId(client, name)}/environments/${encodeURIComponent(environment)}`
}

interface Release {
  generation: number
  state: string
  sha: string
  current?: boolean
  event?: string
  runNumber?: number
  who?: string
  approvedBy?: string
  at?: string
  repeats?: number
  reason?: { message: string }
}

/** A line for each release, and one more for why it failed. */
export function releaseLines(items: readonly Release[]): string[] {
  return items.flatMap((one) => {
    const words = [
      `${one.current ? '*' : ' '} ${String(one.generation).padStart(4)}`,
      one.state.padEnd(10),
      one.sha.slice(0, 7),
      (one.at ?? '').slice(0, 16).replace('T', ' ').padEnd(16),
      [
        one.event ?? '',
        ...(one.repeats ? [`of release ${one.repeats}`] : []),
        ...(one.runNumber ? [`by run #${one.runNumber}`] : []),
        ...(one.who ? [`(${one.who})`] : []),
        ...(one.approvedBy ? [`approved by ${one.approvedBy}`] : []),
      ]
        .map((word) => oneLine(word, 200))
        .join(' '),
    ]
    return [words.join('  '), ...(one.reason ? [`          ${oneLine(one.reason.message, 2000)}`] : [])]
  })
}
