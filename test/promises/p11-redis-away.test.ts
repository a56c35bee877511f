import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keys } from '@taxiway/store/redis/keys.ts'
import Docker from 'dockerode'
import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { startRedis } from '../../deploy/local/redis.ts'
import { checkOracle } from '../oracle.ts'
import { makeWorld } from '../world/make-world.ts'
import { isOver, makeTaxiway } from '../world/taxiway.ts'
import { pushBody, send } from '../world/webhooks.ts'
import { eventually } from '../world/world.ts'

const start = async (args: string[] = []) => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-p11-'))
  const store = await startRedis({ folder, say: () => {} }, { fresh: true, args })
  const taxiway = await makeTaxiway({
    folder: join(folder, 'taxiway'),
    environment: { REDIS_URL: store.address, TAXIWAY_ALLOWED_ORIGINS: 'http://127.0.0.1:9' },
  })
  return {
    store,
    taxiway,
    async register() {
      const url = 'http://127.0.0.1:9/acme/shop.git'
      const { id, webhook } = (await taxiway.call('POST', '/repos', { host: 'github', url })).body
      return { id, hook: webhook }
    },
    /** Cancels the run, as nobody builds it; then all is quiet. */
    async quiet(repo: { id: string; hook: { secret: string } }, delivery: string, runId: string) {
      expect((await taxiway.call('POST', `/runs/${runId}/cancel`)).status).toBe(202)
      await checkOracle({
        taxiway,
        repositories: [{ id: repo.id, name: 'acme/shop' }],
        acknowledged: new Map([[delivery, runId]]),
        host: { absent: 'the repository is nowhere' },
        engine: { absent: 'nothing is built' },
        running: { absent: 'nothing is deployed' },
        secrets: [repo.hook.secret, taxiway.token],
      })
    },
    stop: async () => {
      await taxiway.stop()
      await store.stop()
    },
  }
}

test('while Redis hangs nothing is promised, and it goes on by itself afterwards', async () => {
  const { store, taxiway, register, quiet, stop } = await start()
  await taxiway.start(['api'])
  const repo = await register()
  const { hook } = repo
  const body = pushBody('acme/shop', 'd'.repeat(40))
  process.kill(store.pid as number, 'SIGSTOP')
  const startedMs = performance.now()
  const refused = await send(hook, body, { id: 'one' })
  expect(refused).toMatchObject({ status: 503, body: { error: { code: 'redis_unavailable' } } })
  expect(refused.headers.get('retry-after')).toBeTruthy()
  // The promise is one second for one wait; two may stand in one call.
  expect(performance.now() - startedMs).toBeLessThan(2500)
  expect((await fetch(`${taxiway.url}/livez`)).status).toBe(200)
  expect((await fetch(`${taxiway.url}/readyz`)).status).toBe(503)
  process.kill(store.pid as number, 'SIGCONT')
  let answer = await send(hook, body, { id: 'one' })
  for (let tries = 0; tries < 50 && answer.status === 503; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
    answer = await send(hook, body, { id: 'one' })
  }
  expect(answer.status === 202 || answer.body.duplicate).toBe(true)
  expect((await taxiway.call('GET', '/runs')).body.items).toHaveLength(1)
  await quiet(repo, 'one', answer.body.runId)
  await stop()
})

test.each([
  [['--maxmemory-policy', 'allkeys-lru'], /redis_eviction_enabled/],
  [['--appendonly', 'no'], /redis_not_durable/],
])('a Redis started with %j is refused with its reason', async (args, message) => {
  const { taxiway, stop } = await start(args)
  await expect(taxiway.start(['api'])).rejects.toThrow(message)
  await stop()
})

test('a full Redis answers 503 queue_full, and keeps no half of a run', async () => {
  const { store, taxiway, register, quiet, stop } = await start()
  await taxiway.start(['api'])
  const repo = await register()
  const { hook } = repo
  const redis = new Redis(store.address)
  await redis.config('SET', 'maxmemory', '1mb')
  const before = await redis.dbsize()
  expect(await send(hook, pushBody('acme/shop', 'e'.repeat(40)))).toMatchObject({
    status: 503,
    body: { error: { code: 'queue_full' } },
  })
  expect(await redis.dbsize()).toBe(before)
  await redis.config('SET', 'maxmemory', '0')
  const taken = await send(hook, pushBody('acme/shop', 'e'.repeat(40)), { id: 'taken' })
  expect(taken.status).toBe(202)
  redis.disconnect()
  await quiet(repo, 'taken', taken.body.runId)
  await stop()
})

describe('a builder in the middle of a test of ten lines', () => {
  const { DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
  const docker = new Docker({ socketPath: (DOCKER_HOST ?? '').replace(/^unix:\/\//, '') })
  const leaseMs = 4_000
  const awayMs = 2 * leaseMs
  const lines = Array.from({ length: 10 }, (_, index) => `line ${index + 1}`)
  const script = (verdict: number) =>
    `for i in ${lines.map((_, index) => index + 1).join(' ')}; do echo line $i; sleep 0.4; done; exit ${verdict}`

  test.each([
    ['hangs', 0],
    ['hangs', 3],
    ['is killed and comes back', 0],
  ])('goes on while Redis %s for longer than the lease, and its verdict %i counts once', async (how, verdict) => {
    const folder = mkdtempSync(join(tmpdir(), 'taxiway-p11-'))
    const store = await startRedis({ folder, say: () => {} }, { fresh: true })
    const world = await makeWorld({
      folder,
      target: 'docker',
      environment: { REDIS_URL: store.address, DOCKER_HOST, TAXIWAY_REGISTRY, TAXIWAY_LEASE_MS: `${leaseMs}` },
      name: `acme/away-${process.pid}`,
      say: () => {},
    })
    try {
      const pipeline = {
        version: 1,
        images: { web: {} },
        test: { slow: { image: 'web', run: [script(verdict)], timeout: '1m' } },
      }
      const { sha, runId } = await world.push({ '.taxiway.yaml': JSON.stringify(pipeline) }, 'Take a while')
      await eventually(async () => expect(await world.taxiway.log(runId)).toContain('line 2\n'), 30_000)
      process.kill(store.pid, how === 'hangs' ? 'SIGSTOP' : 'SIGKILL')
      await new Promise((resolve) => setTimeout(resolve, awayMs))
      if (how === 'hangs') process.kill(store.pid, 'SIGCONT')
      else await store.restart()

      const run = await world.taxiway.waitRun(runId, isOver, 60_000)
      expect(run.state).toBe(verdict === 0 ? 'succeeded' : 'failed')
      if (verdict !== 0) expect(run.reason).toMatchObject({ code: 'test_failed' })
      await eventually(async () => {
        const held = await world.statuses(sha)
        const states = Object.values(held).map(({ state }) => state)
        expect(states).not.toContain('pending')
        expect(states.includes('failure')).toBe(verdict !== 0)
        expect(states).not.toContain('error')
      }, 15_000)
      const filters = { label: [`taxiway.run=${runId}`] }
      await eventually(async () => expect(await docker.listContainers({ all: true, filters })).toEqual([]), 45_000)
      // Nothing more is written afterwards, and what was written is there once.
      expect((await world.taxiway.call('GET', `/runs/${runId}`)).body).toEqual(run)
      const log = (await world.taxiway.log(runId)).split('\n')
      expect(log.filter((line) => line.startsWith('line '))).toEqual(lines)
      expect(run.attempt).toBe(1)
      expect(log.filter((line) => /^[✓✗] test\b|✗ Test slow/.test(line))).toHaveLength(1)
      const redis = new Redis(store.address)
      const events = (await redis.xrange(keys.events, '-', '+')).map(([, fields]) => fields.join(' '))
      redis.disconnect()
      const ends = events.filter((event) => event.includes('stage_finished') && event.includes('"test"'))
      expect(ends).toHaveLength(1)
      await checkOracle(world.observed)
    } finally {
      await world.stop()
      await store.stop()
    }
  })
})
