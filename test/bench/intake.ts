import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import examples from '@octokit/webhooks-examples' with { type: 'json' }
import autocannon from 'autocannon'
import { Redis } from 'ioredis'
import { freePort, makeTaxiway } from '../world/taxiway.ts'
import { sign } from '../world/webhooks.ts'
import { type BenchContext, type BenchResult, median, quantile, round } from './figures.ts'

const seconds = 4
const connections = 32
const restMs = 2000
const bareSecret = 'the secret of the bare handler'

/** GitHub's own example of a push, about 7 kB, made one to our repository. */
function realPush(name: string): string {
  const events = examples as unknown as {
    name: string
    examples: { ref: string; deleted: boolean; repository: object }[]
  }[]
  const push = events
    .find((event) => event.name === 'push')
    ?.examples.find(({ ref, deleted }) => ref.startsWith('refs/heads/') && !deleted)
  return JSON.stringify({
    ...push,
    ref: 'refs/heads/main',
    after: 'a'.repeat(40),
    deleted: false,
    repository: { ...push?.repository, full_name: name, default_branch: 'main' },
  })
}

/** Webhook intake against a bare fastify handler that checks the same signature and does one durable write, in turn. */
export async function intake({ folder, environment, rounds, say }: BenchContext): Promise<BenchResult> {
  const taxiway = await makeTaxiway({
    folder: join(folder, 'intake'),
    environment: { ...environment, TAXIWAY_ALLOWED_ORIGINS: 'http://127.0.0.1:9', TAXIWAY_LOG_LEVEL: 'info' },
  })
  const name = `acme/bench-${Date.now()}`
  await taxiway.start(['api'])
  const { webhook } = (await taxiway.call('POST', '/repos', { host: 'github', url: `http://127.0.0.1:9/${name}.git` }))
    .body
  const port = await freePort()
  const bare = spawn(
    process.execPath,
    [join(import.meta.dirname, 'bare-intake.ts'), String(port), environment.REDIS_URL ?? '', bareSecret],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  await once(bare.stdout, 'data')
  const redis = new Redis(environment.REDIS_URL ?? '')
  // Neither arm shall pay for what the other wrote: the append-only file is not rewritten meanwhile.
  await redis.config('SET', 'auto-aof-rewrite-percentage', '0')
  const body = realPush(name)
  const rates = { ours: [] as number[], bare: [] as number[] }
  const late: number[] = []
  let deliveries = 0
  const fire = async (url: string, secret: string) => {
    const signature = sign(secret, body)
    const result = await autocannon({
      url,
      connections,
      duration: seconds,
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', 'x-github-event': 'push', 'x-hub-signature-256': signature },
      requests: [
        {
          setupRequest: (request: { headers: object }) => ({
            ...request,
            headers: { ...request.headers, 'x-github-delivery': `d-${process.pid}-${deliveries++}` },
          }),
        },
      ],
    })
    if (result.non2xx > 0 || result.errors > 0)
      throw new Error(`${result.non2xx} refused, ${result.errors} failed at ${url}`)
    return result
  }
  // The first rounds of each warm both processes up: negative ones do not count.
  for (let index = -1; index <= Math.max(3, Math.min(rounds, 5)); index++) {
    // Each goes first in turn, on a disk that is done with what the other wrote.
    const fires = {
      bare: () => fire(`http://127.0.0.1:${port}/`, bareSecret),
      ours: () => fire(webhook.url, webhook.secret),
    }
    const results: Partial<Record<keyof typeof fires, Awaited<ReturnType<typeof fire>>>> = {}
    for (const arm of index % 2 === 0 ? (['bare', 'ours'] as const) : (['ours', 'bare'] as const)) {
      await sleep(restMs)
      results[arm] = await fires[arm]()
    }
    const { bare: other, ours } = results
    if (!other || !ours) throw new Error('an arm did not run')
    if (index < 1) continue
    rates.bare.push(other.requests.average)
    rates.ours.push(ours.requests.average)
    late.push(ours.latency.p99)
    say(`intake round ${index}: ${round(rates.ours.at(-1) ?? 0, 0)}/s against ${round(rates.bare.at(-1) ?? 0, 0)}/s`)
  }
  redis.disconnect()
  bare.kill()
  await taxiway.stop()
  const ratio = round(median(rates.ours.map((rate, index) => rate / (rates.bare[index] ?? 1))), 2)
  const p99 = round(quantile(late, 0.5), 1)
  return {
    rows: [
      {
        figure: 'intake, of a bare handler',
        goal: '>= 0.50',
        measured: `${ratio} (${round(median(rates.ours), 0)}/s, p99 ${p99} ms)`,
        holds: ratio >= 0.5,
      },
    ],
    figures: { ratio, p99_ms: p99 },
  }
}
