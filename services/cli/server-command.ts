import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, styleText } from 'node:util'
import { type Client, makeClient, Refused } from './client.ts'
import { exitCodes } from './exit-codes.ts'

/** What a command of the server is given: its words by place, and its options. */
export interface Asked {
  client: Client
  words: string[]
  options: Record<string, string | boolean | undefined>
}
/** A command that asks a server for something. */
export interface ServerCommand {
  name: string
  usage: string
  /** How many words it takes. */
  words: { least: number; most: number }
  options?: Record<string, { type: 'string' | 'boolean' }>
  act(asked: Asked): Promise<number>
}

const usageOfAll = `
  --server URL     the server; without it TAXIWAY_URL
  --json           what the server answers, as JSON
The token is in TAXIWAY_TOKEN.
`
const pollMs = 1000

/** Makes the function of a command: reads its arguments, and tells what the server refuses. Exit code 1: it was refused. */
export const serverCommand = (command: ServerCommand) => async (args: string[]) => {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      server: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
      ...command.options,
    },
  })
  const options = values as Asked['options']
  if (options.help) {
    process.stdout.write(`${command.usage}${usageOfAll}`)
    return exitCodes.good
  }
  const { least, most } = command.words
  if (positionals.length < least || positionals.length > most) {
    process.stderr.write(`taxiway ${command.name}: ${command.usage.split('\n')[0]}\n`)
    return exitCodes.usage
  }
  try {
    const client = makeClient(options.server as string | undefined, process.env)
    return await command.act({ client, words: positionals, options })
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    process.stderr.write(`taxiway ${command.name}: ${error.message}\n`)
    return exitCodes.bad
  }
}

/** A run as the server answers it, as far as it is told here. */
export interface RunAnswer {
  id: string
  number: number
  repo: string
  repository: string
  state: string
  url: string
  reason?: { message: string }
  waiting?: { for: string; environment?: string; message: string }
}

const isOver = ({ state }: RunAnswer) => state !== 'queued' && state !== 'running'

/** Tells what was done, and with `--wait` what becomes of the run. */
export async function tell({ client, options }: Asked, run: RunAnswer, sentence: string): Promise<number> {
  if (!options.json) process.stdout.write(`${styleText('green', '✓')} ${sentence}\n  ${run.url}\n`)
  const end = options.wait ? await untilOver(client, run, options.json === true) : run
  if (options.json) process.stdout.write(`${JSON.stringify(end, null, 2)}\n`)
  if (!options.wait) return exitCodes.good
  if (!options.json) process.stdout.write(`  ${end.state}${end.reason ? `: ${end.reason.message}` : ''}\n`)
  return end.state === 'succeeded' ? exitCodes.good : exitCodes.bad
}

async function untilOver(client: Client, first: RunAnswer, isQuiet: boolean): Promise<RunAnswer> {
  let run = first
  let told = ''
  while (!isOver(run)) {
    const waiting = run.waiting?.message ?? ''
    if (waiting && waiting !== told && !isQuiet) process.stdout.write(`  ${waiting}\n`)
    told = waiting
    await sleep(pollMs)
    run = await client.call('GET', `/runs/${first.id}`)
  }
  return run
}
