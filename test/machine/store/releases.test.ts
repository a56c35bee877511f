import { randomBytes } from 'node:crypto'
import { newId, type RepositoryId, type RunId } from '@taxiway/domain/ids.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { keys } from '@taxiway/store/redis/keys.ts'
import { openStore } from '@taxiway/store/store.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exampleOrder } from '../../world/order.ts'

const store = openStore({ redisUrl: process.env.REDIS_URL ?? '', secretKey: randomBytes(32) })
beforeAll(() => waitReady(store.redis, 5000))
const repo = newId<RepositoryId>('repo', randomBytes)
const key = keys.releases(repo, 'production')
afterAll(async () => {
  await store.redis.del(key, keys.environment(repo, 'production'), keys.environments(repo))
  await store.close()
})

const map = (name: string, value: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data: { value },
})
const kept = (generation: number) => ({
  runId: `run_${generation}` as RunId,
  sequence: generation,
  sha: 'a'.repeat(40),
  generation,
  state: 'live' as const,
  target: 'docker',
  order: {
    ...exampleOrder(),
    generation,
    objects: [map('own', `of ${generation}`), ...Array.from({ length: 20 }, (_, index) => map(`map-${index}`, 'same'))],
  },
})

test('releases share the objects that they have in common, and those that none has any more are forgotten', async () => {
  for (let generation = 1; generation <= 55; generation++)
    await store.releases.save(repo, 'production', kept(generation))
  expect(await store.redis.hlen(key)).toBe(50 + 50 + 20)
  const listed = await store.releases.list(repo, 'production')
  expect(listed.map(({ generation }) => generation)).toEqual(Array.from({ length: 50 }, (_, index) => 55 - index))
  expect(listed[49]).toEqual(kept(6))
  expect(await store.releases.read(repo, 'production', 30)).toEqual(kept(30))
  expect(await store.releases.live(repo, 'production')).toEqual(kept(55))
})
