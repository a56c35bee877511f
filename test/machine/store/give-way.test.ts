import { randomBytes } from 'node:crypto'
import { newId, type RepositoryId, type RunId, type Sha } from '@taxiway/domain/ids.ts'
import type { Plan } from '@taxiway/domain/plan/plan.ts'
import { newRun, type Run } from '@taxiway/domain/run/run.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { openStore } from '@taxiway/store/store.ts'
import { beginAttempt } from '@taxiway/worker/attempts.ts'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { giveWay } from '../../../services/builder/give-way.ts'

const store = openStore({ redisUrl: process.env.REDIS_URL ?? '', secretKey: randomBytes(32) })
let repo: RepositoryId
beforeAll(() => waitReady(store.redis, 5000))
beforeEach(async () => {
  repo = newId<RepositoryId>('repo', randomBytes)
  const place = {
    url: `https://git.example.com/acme/${repo}.git`,
    apiUrl: 'https://git.example.com/api/v3',
    deploy: {},
  }
  const repository = {
    id: repo,
    host: 'github' as const,
    name: `acme/${repo}`,
    createdAt: '2026-01-01T00:00:00Z',
    ...place,
  }
  await store.repositories.add(repository, { webhookSecret: 'a secret' })
})
afterEach(async () => {
  for (const { id } of await store.runs.openOf(repo)) await store.runs.move(id, { type: 'cancelled', who: 'a test' })
})
afterAll(() => store.close())
const commit = (letter: string) => letter.repeat(40) as Sha

async function push(more: Partial<Run> = {}): Promise<RunId> {
  const id = newId<RunId>('run', randomBytes)
  const what = { sha: 'a'.repeat(40) as Sha, branch: 'main', message: '', author: '', repository: 'acme/shop' }
  const run = newRun({ id, repo, event: 'push', ...what, ...more }, new Date().toISOString())
  const accepted = await store.runs.accept(run, { id, headers: {}, body: Buffer.alloc(0) })
  if (accepted.kind !== 'accepted') throw new Error(accepted.kind)
  return id
}
/** Takes and plans a run as a builder does, and lets it give way. */
async function plan(id: RunId, more: Partial<Plan> = {}) {
  const attempt = await beginAttempt(store.runs, id, 'w', newId('holder', randomBytes))
  if (!attempt.ok) return undefined
  const planned: Plan = { images: [], tests: [], environments: [], concurrency: 'newest', ...more }
  const moved = await store.runs.move(id, { type: 'planned', plan: planned }, attempt.value.fence)
  if (!moved.ok) throw new Error(moved.reason.message)
  const superseded = await giveWay(store, moved.value)
  if (superseded) await store.runs.move(id, { type: 'superseded', by: superseded }, attempt.value.fence)
  return attempt.value
}
const stateOf = async (id: RunId) => (await store.runs.read(id))?.state

const orders = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
]
test.each(orders)('whichever is planned first (%i, %i, %i), the newest push stays', async (...order) => {
  const ids = [await push(), await push(), await push()]
  for (const at of order) {
    const attempt = await plan(ids[at] as RunId)
    attempt?.end()
  }
  expect(await stateOf(ids[2] as RunId)).toBe('running')
  // One that is in hand is ended by its holder, who has been told.
  for (const id of ids.slice(0, 2)) {
    const run = await store.runs.read(id)
    expect(run?.state === 'superseded' || run?.supersededBy).toBeTruthy()
  }
})

test('planned all at once, the newest push stays', async () => {
  const ids = await Promise.all(Array.from({ length: 10 }, () => push()))
  const attempts = await Promise.all(ids.map((id) => plan(id)))
  const runs = await Promise.all(ids.map((id) => store.runs.read(id)))
  const left = runs.filter((run) => run?.state === 'running' && !run.supersededBy)
  expect(left.map((run) => run?.sequence)).toEqual([Math.max(...runs.map((run) => run?.sequence ?? 0))])
  for (const attempt of attempts) attempt?.end()
})

test('whoever holds the older run is told to stop', async () => {
  const older = await push()
  const attempt = await plan(older)
  expect(attempt?.signal.aborted).toBe(false)
  const newer = await push()
  const other = await plan(newer)
  await new Promise((resolve) => setTimeout(resolve, 1500))
  expect(attempt?.signal.reason).toBe('superseded')
  expect(other?.signal.aborted).toBe(false)
  for (const one of [attempt, other]) one?.end()
})

test('runs of other branches, other events and without newest are left alone', async () => {
  const others = [
    await push({ branch: 'next' }),
    await push({ event: 'manual', inputs: {} }),
    await push({ event: 'pull_request', pullRequest: { number: 1, base: 'main', fork: true } }),
  ]
  ;(await plan(await push()))?.end()
  const every = await push()
  ;(await plan(await push(), { concurrency: 'all' }))?.end()
  expect(await Promise.all([...others, every].map(stateOf))).toEqual(['queued', 'queued', 'queued', 'queued'])
})

test('a push that came late takes no place of the one that builds on it', async () => {
  const newer = await push({ sha: commit('c'), before: commit('b') })
  await plan(newer)
  const late = await push({ sha: commit('b'), before: commit('a') })
  await plan(late)
  expect((await store.runs.read(newer))?.supersededBy).toBeUndefined()
  const again = await push({ sha: commit('c'), before: commit('b') })
  await plan(again)
  expect(await store.runs.read(late)).toMatchObject({ state: 'running' })
})
