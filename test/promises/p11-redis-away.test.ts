import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { startRedis } from '../../deploy/local/redis.ts'
import { makeTaxiway } from '../taxiway.ts'
import { pushBody, send } from '../webhooks.ts'

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
    stop: async () => {
      await taxiway.stop()
      await store.stop()
    },
  }
}

test('while Redis hangs nothing is promised, and it goes on by itself afterwards', async () => {
  const { store, taxiway, stop } = await start()
  await taxiway.start(['api'])
  const hook = (await taxiway.call('POST', '/repos', { host: 'github', url: 'http://127.0.0.1:9/acme/shop.git' })).body
    .webhook
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
  const { store, taxiway, stop } = await start()
  await taxiway.start(['api'])
  const hook = (await taxiway.call('POST', '/repos', { host: 'github', url: 'http://127.0.0.1:9/acme/shop.git' })).body
    .webhook
  const redis = new Redis(store.address)
  await redis.config('SET', 'maxmemory', '1mb')
  const before = await redis.dbsize()
  expect(await send(hook, pushBody('acme/shop', 'e'.repeat(40)))).toMatchObject({
    status: 503,
    body: { error: { code: 'queue_full' } },
  })
  expect(await redis.dbsize()).toBe(before)
  await redis.config('SET', 'maxmemory', '0')
  expect((await send(hook, pushBody('acme/shop', 'e'.repeat(40)))).status).toBe(202)
  redis.disconnect()
  await stop()
})
