import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeWorld } from '../world/make-world.ts'
import { isOver, type Taxiway } from '../world/taxiway.ts'
import { eventually } from '../world/world.ts'
import { type BenchContext, type BenchResult, quantile, round } from './figures.ts'
import { dockerProgram } from './interleave.ts'

const lines = 150
const flood = 100_000_000

/** What a test prints on its way to a reader: how long a line takes, and what 100 MB cost the builder. */
export async function log({ folder, environment, say }: BenchContext): Promise<BenchResult> {
  const world = await makeWorld({
    folder: join(folder, 'log'),
    environment,
    target: 'docker',
    name: 'acme/log',
    roles: ['api'],
    say,
  })
  const { child } = await world.taxiway.start(['builder'])
  const rssMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024
  const push = (command: string) => world.push({ Dockerfile: dockerfile, '.taxiway.yaml': testing(command) }, command)
  try {
    await world.taxiway.waitRun((await push('true')).runId, isOver, 60_000)
    const late = await lineLatency(world.taxiway, push, environment)
    const restMb = rssMb()
    const { runId } = await push(`yes 'a line of output, as tests print them' | head -c ${flood}`)
    const reading = readLog(world.taxiway, runId)
    const peakMb = await peak(rssMb, () => world.taxiway.waitRun(runId, isOver, 180_000))
    const grownMb = round(peakMb - restMb, 0)
    const readMb = round((await reading) / 1e6, 1)
    const p50 = round(quantile(late, 0.5), 0)
    return {
      rows: [
        {
          figure: 'log line to reader, over docker logs -f',
          goal: 'p50 <= 50 ms',
          measured: `p50 ${p50} ms (${late.length} lines)`,
          holds: p50 <= 50,
        },
        {
          figure: 'builder memory while a test prints 100 MB',
          goal: '<= 50 MB more',
          measured: `${grownMb} MB more, ${readMb} MB reach the reader`,
          holds: grownMb <= 50 && readMb > 1,
        },
      ],
      figures: { line_p50_ms: p50, flood_mb: grownMb },
    }
  } finally {
    await world.stop()
  }
}

const dockerfile = 'FROM busybox:stable\nCOPY www /www\n'
const testing = (command: string) =>
  JSON.stringify({ version: 1, images: { web: {} }, test: { unit: { image: 'web', run: [command] } } })

/** For each line of a slow test, how much later than `docker logs -f` the reader of the API has it. */
async function lineLatency(
  taxiway: Taxiway,
  push: (command: string) => Promise<{ runId: string }>,
  environment: BenchContext['environment'],
): Promise<number[]> {
  const { runId } = await push(
    `sleep 3; i=0; while [ $i -lt ${lines} ]; do echo "line number $i"; i=$((i+1)); sleep 0.03; done`,
  )
  const ours = new Map<string, number>()
  const reading = readLog(taxiway, runId, (line) => ours.set(line, performance.now()))
  const docker = (...args: string[]) => spawn(dockerProgram, args, { env: { ...process.env, ...environment } })
  const id = await eventually(async () => {
    const listed = docker('ps', '--quiet', '--filter', `label=taxiway.run=${runId}`)
    const [first] = await createInterface(listed.stdout)
      [Symbol.asyncIterator]()
      .next()
      .then(({ value }) => [value])
    if (!first) throw new Error('the test has no container yet')
    return first as string
  }, 30_000)
  const theirs = new Map<string, number>()
  const logs = docker('logs', '--follow', id)
  for await (const line of createInterface(logs.stdout)) theirs.set(line, performance.now())
  await reading
  return [...theirs].flatMap(([line, atMs]) => {
    const oursMs = ours.get(line)
    return /^line number/.test(line) && oursMs !== undefined ? [oursMs - atMs] : []
  })
}

/** Reads a run's log as its page does, to the end. @returns bytes of text */
async function readLog(taxiway: Taxiway, runId: string, onLine?: (line: string) => void): Promise<number> {
  const answer = await fetch(`${taxiway.url}/api/v1/runs/${runId}/logs`, {
    headers: { authorization: `Bearer ${taxiway.token}`, accept: 'text/event-stream' },
  })
  let bytes = 0
  for await (const line of createInterface(Readable.fromWeb(answer.body as never))) {
    if (!line.startsWith('data:')) continue
    const { text, state } = JSON.parse(line.slice('data:'.length)) as { text?: string; state?: string }
    if (state) break
    bytes += Buffer.byteLength(text ?? '')
    if (onLine) for (const one of (text ?? '').split('\n')) onLine(one)
  }
  return bytes
}

async function peak(measure: () => number, work: () => Promise<unknown>): Promise<number> {
  let highest = measure()
  const done = new AbortController()
  const watching = (async () => {
    while (!done.signal.aborted) {
      highest = Math.max(highest, measure())
      await sleep(20)
    }
  })()
  await work().finally(() => done.abort())
  await watching
  return highest
}
