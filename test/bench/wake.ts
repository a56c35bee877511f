import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { makeTaxiway } from '../world/taxiway.ts'
import { pushBody, send } from '../world/webhooks.ts'
import { type BenchContext, type BenchResult, quantile, round } from './figures.ts'

const samples = 100
const warmUps = 10

/** From the 202 in the sender's hands to the first stage's start, on an idle Taxiway with all roles in one process. */
export async function wake({ folder, environment }: BenchContext): Promise<BenchResult> {
  const taxiway = await makeTaxiway({
    folder: join(folder, 'wake'),
    environment: {
      ...environment,
      KUBECONFIG: '',
      TAXIWAY_TARGET: 'docker',
      TAXIWAY_ALLOWED_ORIGINS: 'http://127.0.0.1:9',
    },
  })
  await taxiway.start()
  const name = `acme/wake-${Date.now()}`
  const { webhook } = (await taxiway.call('POST', '/repos', { host: 'github', url: `http://127.0.0.1:9/${name}.git` }))
    .body
  const events = new Redis(environment.REDIS_URL ?? '')
  const startedMs = new Map<string, number>()
  const follow = async () => {
    for (let last = '$'; ; ) {
      const answer = await events.xread('BLOCK', 0, 'STREAMS', 'taxiway:events', last)
      for (const [id, fields] of answer?.[0]?.[1] ?? []) {
        last = id
        const [, run = '', , , , event = ''] = fields
        if (event.includes('"stage_started"') && !startedMs.has(run)) startedMs.set(run, performance.now())
      }
    }
  }
  follow().catch(() => {})
  const waits: number[] = []
  for (let index = 0; index < samples + warmUps; index++) {
    const { body } = await send(
      webhook,
      pushBody(name, (index + 1).toString(16).padStart(40, '0'), { padding: 'x'.repeat(7300) }),
    )
    const ackedMs = performance.now()
    // Until the run has met its end (nobody answers at its git host), so that the next finds everything idle.
    await taxiway.waitRun(body.runId, ({ state }) => state === 'errored', 30_000)
    await sleep(50)
    if (index >= warmUps) waits.push(Math.max(0, (startedMs.get(body.runId) ?? Number.NaN) - ackedMs))
  }
  events.disconnect()
  await taxiway.stop()
  const [p50, p99] = [round(quantile(waits, 0.5), 1), round(quantile(waits, 0.99), 1)]
  return {
    rows: [
      {
        figure: 'wake-up, 202 to first stage',
        goal: 'p50 <= 5 ms',
        measured: `p50 ${p50} ms, p99 ${p99} ms`,
        holds: p50 <= 5,
      },
    ],
    figures: { p50_ms: p50, p99_ms: p99 },
  }
}
