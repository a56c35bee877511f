import { randomBytes } from 'node:crypto'
import { newId, type RepositoryId, type RunId, type Sha } from '@taxiway/domain/ids.ts'
import { newRun, type Run } from '@taxiway/domain/run/run.ts'
import { turnOrder } from '@taxiway/domain/run/waiting.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { openStore } from '@taxiway/store/store.ts'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'

const store = openStore({ redisUrl: process.env.REDIS_URL ?? '', secretKey: randomBytes(32) })
const made: RunId[] = []
beforeAll(() => waitReady(store.redis, 5000))
afterEach(async () => {
  for (const id of made.splice(0)) await store.runs.move(id, { type: 'cancelled', who: 'a test' })
})
afterAll(() => store.close())

async function register(maxRuns = 0): Promise<RepositoryId> {
  const id = newId<RepositoryId>('repo', randomBytes)
  const name = `acme/${id.slice(5)}`
  const place = { url: `https://git.example.com/${name}.git`, apiUrl: 'https://git.example.com/api/v3' }
  const repository = {
    id,
    host: 'github' as const,
    name,
    ...place,
    deploy: {},
    maxRuns,
    createdAt: '2026-01-01T00:00:00Z',
  }
  await store.repositories.add(repository, { webhookSecret: 'a secret' })
  return id
}
async function push(repo: RepositoryId): Promise<Run> {
  const id = newId<RunId>('run', randomBytes)
  const what = { sha: 'a'.repeat(40) as Sha, branch: 'main', message: '', author: '', repository: 'acme/shop' }
  const run = newRun({ id, repo, event: 'push', ...what }, new Date().toISOString())
  const accepted = await store.runs.accept(run, { id, headers: {}, body: Buffer.alloc(0) })
  if (accepted.kind !== 'accepted') throw new Error(accepted.kind)
  made.push(id)
  return accepted.run
}
const pushes = (count: number, repo: RepositoryId) => Promise.all(Array.from({ length: count }, () => push(repo)))

/** Takes the next run as a builder does. */
async function take(): Promise<Run | undefined> {
  const chosen = (await store.turns.next())?.run
  if (!chosen) return undefined
  const begun = await store.runs.move(chosen.id, {
    type: 'attempt_started',
    holder: newId('holder', randomBytes),
    worker: 'w',
  })
  if (!begun.ok) throw new Error(begun.reason.message)
  return begun.value
}
const end = (run: Run) => store.runs.move(run.id, { type: 'cancelled', who: 'a test' })

test.each([1, 2, 4])(
  'a repository with 1000 pushes delays another’s by one run at most, with %i slots',
  async (slots) => {
    const [noisy, quiet] = [await register(), await register()]
    await pushes(1000, noisy)
    const inHand: Run[] = []
    for (let slot = 0; slot < slots; slot++) inHand.push((await take()) as Run)
    expect(inHand.every(({ repo }) => repo === noisy)).toBe(true)
    for (let round = 0; round < 3; round++) {
      const wanted = await push(quiet)
      await end(inHand.shift() as Run)
      const next = (await take()) as Run
      expect(next.id).toBe(wanted.id)
      inHand.push(next)
      // The noisy one is not kept from its turns either.
      while (inHand.some(({ repo }) => repo === quiet)) {
        await end(inHand.shift() as Run)
        inHand.push((await take()) as Run)
      }
    }
  },
)

test('with one slot, repositories take turns, and each keeps its own order', async () => {
  const repos = [await register(), await register(), await register()]
  const [first, second, third] = [
    await pushes(50, repos[0] as RepositoryId),
    await pushes(3, repos[1] as RepositoryId),
    await pushes(2, repos[2] as RepositoryId),
  ]
  const taken: Run[] = []
  for (let turn = 0; turn < 9; turn++) {
    const run = (await take()) as Run
    taken.push(run)
    await end(run)
  }
  const of = (repo: RepositoryId | undefined) =>
    taken.filter((run) => run.repo === repo).map(({ sequence }) => sequence)
  const inOrder = (runs: Run[]) => runs.map(({ sequence }) => sequence).sort((a, b) => a - b)
  expect(repos.map((repo) => of(repo).length)).toEqual([4, 3, 2])
  expect(of(repos[1])).toEqual(inOrder(second))
  expect(of(repos[2])).toEqual(inOrder(third))
  expect(of(repos[0])).toEqual(inOrder(first).slice(0, 4))
})

test('a repository has as many runs in hand as it may, and goes on as soon as one ends', async () => {
  const [limited, free] = [await register(2), await register()]
  await pushes(5, limited)
  // At once, as many workers ask.
  const taken = (await Promise.all(Array.from({ length: 8 }, () => take()))).filter((run) => run !== undefined)
  expect(taken).toHaveLength(2)
  expect(new Set(taken.map(({ id }) => id)).size).toBe(2)
  const other = await push(free)
  expect((await take())?.id).toBe(other.id)
  expect(await take()).toBeUndefined()
  await end(taken[0] as Run)
  expect((await take())?.repo).toBe(limited)
  expect(await take()).toBeUndefined()
})

test('no run is chosen twice, and one that was chosen and not begun is chosen again once it has moved', async () => {
  const repo = await register()
  await pushes(20, repo)
  const turns = await Promise.all(Array.from({ length: 25 }, async () => (await store.turns.next())?.run))
  const chosen = turns.map((run) => run?.id)
  expect(new Set(chosen.filter(Boolean)).size).toBe(20)
  expect(chosen.filter((id) => id === undefined)).toHaveLength(5)
  await store.runs.move(made[7] as RunId, { type: 'noted', reason: { code: 'fenced', message: 'moved' } })
  expect((await store.turns.next())?.run.id).toBe(made[7])
})

test('what is taken is the first of the order that people are told', async () => {
  const repos = [await register(), await register(), await register()]
  for (const count of [7, 1, 4]) await pushes(count, repos[count % 3] as RepositoryId)
  for (let turn = 0; turn < 12; turn++) {
    const turns = new Map(
      Object.entries(await store.redis.hgetall('taxiway:turns')).map(([repo, at]) => [
        repo as RepositoryId,
        Number(at),
      ]),
    )
    const [first] = turnOrder({ runs: await store.runs.open(), turns })
    expect((await take())?.id).toBe(first?.id)
  }
})

test('choosing among a thousand runs takes no longer than a few milliseconds', async () => {
  await pushes(1000, await register())
  const times: number[] = []
  for (let turn = 0; turn < 50; turn++) {
    const startedMs = performance.now()
    await store.turns.next()
    times.push(performance.now() - startedMs)
  }
  expect(times.sort((a, b) => a - b)[25]).toBeLessThan(25)
})
