import { randomBytes } from 'node:crypto'
import { newId, type RepositoryId, type RunId, type Sha } from '@taxiway/domain/ids.ts'
import { newRun } from '@taxiway/domain/run/run.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { openStore } from '@taxiway/store/store.ts'
import { beginAttempt } from '@taxiway/worker/attempts.ts'
import { makeRedispatch } from '@taxiway/worker/redispatch.ts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

const store = openStore({ redisUrl: process.env.REDIS_URL ?? '', secretKey: randomBytes(32) })
let repo: RepositoryId
beforeAll(() => waitReady(store.redis, 5000))
afterAll(() => store.close())
beforeEach(async () => {
  repo = newId<RepositoryId>('repo', randomBytes)
  const repository = {
    id: repo,
    host: 'github' as const,
    name: `acme/${repo.slice(5, 15)}`,
    url: `https://git.example.com/acme/${repo.slice(5, 15)}.git`,
    apiUrl: 'https://git.example.com/api/v3',
    deploy: {},
    createdAt: new Date().toISOString(),
  }
  await store.repositories.add(repository, { webhookSecret: 'a webhook secret', token: 'a token' })
})
const accept = (delivery: string) => {
  const id = newId<RunId>('run', randomBytes)
  const run = newRun(
    {
      id,
      repo,
      repository: 'acme/shop',
      event: 'push',
      sha: 'a'.repeat(40) as Sha,
      branch: 'main',
      message: 'm',
      author: 'a',
    },
    new Date().toISOString(),
  )
  return store.runs.accept(run, { id: delivery, headers: {}, body: Buffer.from('{}') })
}
const accepted = async () => {
  const answer = await accept(randomBytes(8).toString('hex'))
  if (answer.kind !== 'accepted') throw new Error(answer.kind)
  return answer.run
}
const begin = (id: RunId, worker: string) => beginAttempt(store.runs, id, worker, newId('holder', randomBytes))

test('fifty deliveries with one id at the same time make one run', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => accept('same')))
  const made = answers.filter(({ kind }) => kind === 'accepted')
  expect(made).toHaveLength(1)
  const ids = answers.map((answer) =>
    answer.kind === 'accepted' ? answer.run.id : answer.kind === 'duplicate' ? answer.runId : '',
  )
  expect(new Set(ids).size).toBe(1)
  expect((await store.runs.list({ repo, limit: 10 })).runs).toHaveLength(1)
})

test('a delivery for a repository that is gone makes nothing', async () => {
  const repository = await store.repositories.read(repo)
  if (repository) await store.repositories.remove(repository)
  expect((await accept('x')).kind).toBe('repository_gone')
  expect((await store.runs.list({ repo, limit: 10 })).runs).toHaveLength(0)
})

test('a run has one holder at a time, and what an older attempt writes is refused', async () => {
  const run = await accepted()
  const first = await begin(run.id, 'w1')
  if (!first.ok) throw new Error('not begun')
  expect((await begin(run.id, 'w2')).ok).toBe(false)
  first.value.end()
  await store.runs.move(run.id, { type: 'worker_lost', worker: 'w1', since: 'then' }, first.value.fence)
  const second = await begin(run.id, 'w2')
  if (!second.ok) throw new Error('not begun')
  second.value.end()
  expect(second.value.fence.attempt).toBe(2)
  const late = await store.runs.move(run.id, { type: 'stage_started', stage: 'build' }, first.value.fence)
  expect(late).toMatchObject({ ok: false, reason: { code: 'fenced', message: 'FENCED attempt=1 current=2' } })
  expect(await store.logs.append(run.id, first.value.fence, 'build', 'late\n', 1)).toBe(false)
  expect(await store.logs.append(run.id, second.value.fence, 'build', 'in time\n', 1)).toBe(true)
  // Sent again, as when Redis answered too late: it is there once.
  expect(await store.logs.append(run.id, second.value.fence, 'build', 'in time\n', 1)).toBe(true)
  const kept: string[] = []
  for await (const { text } of store.logs.read(run.id)) kept.push(text)
  expect(kept).toEqual(['in time\n'])
  expect(await store.runs.renewLease(run.id, first.value.fence)).toBe(false)
})

test('who knows a run begins it and its first stage in one step, and only one does', async () => {
  const run = await accepted()
  const known = { run, first: 'checkout' }
  const [first, second] = await Promise.all(
    ['w1', 'w2'].map((worker) => beginAttempt(store.runs, run.id, worker, newId('holder', randomBytes), known)),
  )
  if (!first?.ok) throw new Error('not begun')
  first.value.end()
  expect(second).toMatchObject({ ok: false })
  const now = await store.runs.read(run.id)
  expect(now).toMatchObject({ version: 3, state: 'running', worker: 'w1', stages: [{ state: 'running' }, {}, {}, {}] })
  expect(now).toEqual(first.value.run)
  const told = (await store.redis.xrange('taxiway:events', '-', '+'))
    .map(([, [, id, , version, , event = '']]) => ({ id, version, type: JSON.parse(event).type }))
    .filter(({ id }) => id === run.id)
  expect(told.map(({ version, type }) => `${version} ${type}`)).toEqual([
    '1 accepted',
    '2 attempt_started',
    '3 stage_started',
  ])
})

test('a run whose worker fell silent goes back to the queue, and after three lost workers it is poisoned', async () => {
  const run = await accepted()
  let clock = 0
  const redispatch = makeRedispatch(store.runs, store.queue, () => clock)
  for (let crash = 1; crash <= 3; crash++) {
    const attempt = await begin(run.id, `w${crash}`)
    if (!attempt.ok) throw new Error(JSON.stringify(attempt))
    attempt.value.end()
    await store.redis.del(`taxiway:run:${run.id}:lease`)
    await redispatch()
    clock += 10_000
    await redispatch()
    const now = await store.runs.read(run.id)
    expect(now?.crashes).toBe(crash)
    expect(now?.state).toBe(crash < 3 ? 'queued' : 'errored')
  }
  expect((await store.runs.read(run.id))?.reason?.code).toBe('poisoned')
})

test('many writers at once lose no event', async () => {
  const run = await accepted()
  await store.runs.move(run.id, { type: 'attempt_started', holder: 'h', worker: 'w' })
  await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      store.runs.move(run.id, { type: 'image_built', image: `i${index}`, imageId: 'x' }, { attempt: 1, holder: 'h' }),
    ),
  )
  expect((await store.runs.read(run.id))?.images).toHaveLength(20)
})

test('secrets are encrypted at rest, and bound to their repository', async () => {
  const kept = await store.redis.hgetall(`taxiway:repo:${repo}`)
  expect(JSON.stringify(kept)).not.toMatch(/a webhook secret|a token/)
  expect(await store.repositories.token(repo)).toBe('a token')
  const other = newId<RepositoryId>('repo', randomBytes)
  await store.redis.hset(`taxiway:repo:${other}`, { ...kept })
  await expect(store.repositories.token(other)).rejects.toThrow()
})

test('the newest run is wanted in an environment, whatever arrives last', async () => {
  const [older, newer] = [await accepted(), await accepted()]
  expect(await store.releases.want(newer, 'production')).toBe(newer.id)
  expect(await store.releases.want(older, 'production')).toBe(newer.id)
})

test('generations only rise, and only for who holds the environment', async () => {
  const claim = (holder: string, live: number) => store.releases.claimGeneration(repo, 'production', holder, live)
  expect(await claim('one', 0)).toBeUndefined()
  expect(await store.releases.holdLane(repo, 'production', 'one', 10_000)).toBe(true)
  expect(await store.releases.holdLane(repo, 'production', 'two', 10_000)).toBe(false)
  expect([await claim('one', 0), await claim('one', 41), await claim('one', 3)]).toEqual([1, 42, 43])
  await store.releases.leaveLane(repo, 'production', 'one')
  expect(await store.releases.holdLane(repo, 'production', 'two', 10_000)).toBe(true)
  expect(await claim('one', 0)).toBeUndefined()
  expect(await claim('two', 0)).toBe(44)
})

test('a token is found by its value alone, kept only as a hash, and gone when revoked', async () => {
  const { token, record } = await store.tokens.create({ name: 'robot', scope: 'read' })
  expect(JSON.stringify(await store.redis.hgetall('taxiway:tokens'))).not.toContain(token)
  expect(await store.tokens.find(token)).toMatchObject({ name: 'robot', scope: 'read' })
  expect(await store.tokens.find(`${token}x`)).toBeUndefined()
  await store.tokens.revoke(record.id)
  expect(await store.tokens.find(token)).toBeUndefined()
})
