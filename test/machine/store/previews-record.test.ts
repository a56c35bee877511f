import { randomBytes } from 'node:crypto'
import { newId, type RepositoryId, type RunId } from '@taxiway/domain/ids.ts'
import { reason } from '@taxiway/domain/reason.ts'
import type { Preview } from '@taxiway/store/environments/previews.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { keys } from '@taxiway/store/redis/keys.ts'
import { openStore } from '@taxiway/store/store.ts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { exampleOrder } from '../../world/order.ts'

let nowMs = Date.parse('2027-01-01T00:00:00Z')
const store = openStore({
  redisUrl: process.env.REDIS_URL ?? '',
  secretKey: randomBytes(32),
  now: () => new Date(nowMs),
})
let repo: RepositoryId
beforeAll(() => waitReady(store.redis, 5000))
afterAll(() => store.close())
beforeEach(() => {
  repo = newId<RepositoryId>('repo', randomBytes)
})
const preview = (number: number, of = 'preview'): Preview => ({
  repo,
  environment: `${of}.${number}`,
  of,
  number,
  namespace: `shop-${number}`,
  target: 'docker',
  runId: 'run_1' as RunId,
  updatedAt: new Date(nowMs).toISOString(),
  ttlMs: 60_000,
})
const hold = (one: Preview, holder = 'me') => store.releases.holdLane(one.repo, one.environment, holder, 60_000)
async function keep(one: Preview, { most = 10, mostInAll = 20 } = {}) {
  await hold(one)
  return store.previews.keep(one, { holder: 'me', most, mostInAll })
}
const due = async () => (await store.previews.take()).filter((one) => one.repo === repo).map((one) => one.environment)

test('of many that come at once, no more are kept than may stand; one that is known is no new one', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, (_, index) => keep(preview(index + 1), { most: 3 })))
  expect(all.filter((kept) => kept === 'kept')).toHaveLength(3)
  expect(all.filter((kept) => kept === 'full')).toHaveLength(17)
  const [known] = await store.previews.list(repo)
  if (!known) throw new Error('none was kept')
  expect(await keep({ ...known, runId: 'run_2' as RunId }, { most: 3 })).toBe('kept')
  expect(await keep(preview(30, 'review'), { most: 3 })).toBe('kept')
  expect(await keep(preview(31, 'review'), { most: 3, mostInAll: 4 })).toBe('full_in_all')
  expect(await store.previews.list(repo)).toHaveLength(4)
})

test('who has lost the environment writes and forgets nothing', async () => {
  const one = preview(1)
  await hold(one, 'another')
  expect(await store.previews.keep(one, { holder: 'me', most: 10, mostInAll: 20 })).toBe('fenced')
  await store.releases.leaveLane(repo, one.environment, 'another')
  await keep(one)
  expect(await store.environments.forget(one.repo, one.environment, 'another')).toBe(false)
  expect(await store.previews.read(repo, one.environment)).toEqual(one)
})

test('each is taken once a minute, sooner when its pull request was closed, later when it could not be removed', async () => {
  await keep(preview(1))
  await keep(preview(2))
  expect(await due()).toEqual([])
  nowMs += 60_000
  expect((await due()).sort()).toEqual(['preview.1', 'preview.2'])
  expect(await due()).toEqual([])
  await store.previews.lookSoon(repo, 2)
  expect(await due()).toEqual(['preview.2'])
  const trouble = { reason: reason('unknown_error'), tries: 1, at: new Date(nowMs).toISOString() }
  await store.previews.noteTrouble(preview(2), trouble, 120_000)
  nowMs += 60_000
  expect(await due()).toEqual(['preview.1'])
  nowMs += 60_000
  expect((await due()).sort()).toEqual(['preview.1', 'preview.2'])
  expect(await store.previews.trouble(repo, 'preview.2')).toEqual(trouble)
  await keep(preview(2))
  expect(await store.previews.trouble(repo, 'preview.2')).toBeUndefined()
})

test('what is forgotten is no environment any more, and its next release has a higher number all the same', async () => {
  const one = preview(1)
  await keep(one)
  const generation = await store.releases.claimGeneration(repo, one.environment, 'me', 0)
  expect(generation).toBe(1)
  await store.releases.save(repo, one.environment, {
    runId: one.runId,
    sequence: 1,
    sha: 'a'.repeat(40),
    generation: 1,
    state: 'live',
    target: 'docker',
    order: exampleOrder(),
  })
  expect(await store.environments.names(repo)).toEqual([one.environment])
  expect(await store.environments.forget(one.repo, one.environment, 'me')).toBe(true)
  expect(await store.environments.names(repo)).toEqual([])
  expect(await store.releases.live(repo, one.environment)).toBeUndefined()
  expect(await store.releases.list(repo, one.environment)).toEqual([])
  expect(await store.previews.list(repo)).toEqual([])
  nowMs += 120_000
  expect(await due()).toEqual([])
  expect(await keep(one)).toBe('kept')
  expect(await store.releases.claimGeneration(repo, one.environment, 'me', 0)).toBe(2)
})

test('a release that can not be read is listed as that, and the others as they are', async () => {
  const environment = 'production'
  const kept = (generation: number) => ({
    runId: 'run_1' as RunId,
    sequence: 1,
    sha: 'a'.repeat(40),
    generation,
    state: 'live' as const,
    target: 'docker',
    order: exampleOrder(),
  })
  for (const generation of [1, 2, 3]) await store.releases.save(repo, environment, kept(generation))
  const stored = (generation: number, text: string) =>
    store.redis.hset(keys.releases(repo, environment), String(generation), text)
  await stored(2, JSON.stringify({ ...kept(2), order: { version: 99 } }))
  await stored(3, 'not JSON')
  const listed = await store.releases.list(repo, environment)
  expect(listed.map(({ generation, sha, order }) => [generation, sha !== '', order !== undefined])).toEqual([
    [3, false, false],
    [2, true, false],
    [1, true, true],
  ])
  expect(listed.map((one) => one.reason?.code)).toEqual(['release_unreadable', 'release_unreadable', undefined])
  expect(listed[1]?.reason?.message).toContain('version 99')
  expect((await store.releases.liveListed(repo, environment))?.reason?.code).toBe('release_unreadable')
})

test('a namespace is given back by its owner only', async () => {
  const own = { repo, environment: 'preview.1' }
  const other = { repo: newId<RepositoryId>('repo', randomBytes), environment: 'production' }
  const named = `ns-${repo.slice(5)}`
  expect(await store.namespaces.own('cluster', named, own)).toEqual(own)
  await store.namespaces.leave('cluster', named, other)
  expect((await store.namespaces.own('cluster', named, own)).repo).toBe(repo)
  await store.namespaces.leave('cluster', named, own)
  expect(await store.namespaces.own('cluster', named, other)).toEqual(other)
})
