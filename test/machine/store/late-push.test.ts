import { randomBytes } from 'node:crypto'
import { newId, type RepositoryId, type RunId, type Sha } from '@taxiway/domain/ids.ts'
import type { PlannedEnvironment } from '@taxiway/domain/plan/environment.ts'
import { newRun, type Run } from '@taxiway/domain/run/run.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { openStore } from '@taxiway/store/store.ts'
import { Left } from '@taxiway/worker/end.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { ReleaseDeps } from '../../../services/deployer/roll-out.ts'
import { gateBefore } from '../../../services/deployer/turn/gates.ts'
import { holdLane } from '../../../services/deployer/turn/lane.ts'

const store = openStore({ redisUrl: process.env.REDIS_URL ?? '', secretKey: randomBytes(32) })
const signal = new AbortController().signal
let repo: RepositoryId
beforeAll(() => waitReady(store.redis, 5000))
afterAll(() => store.close())
beforeEach(async () => {
  repo = newId<RepositoryId>('repo', randomBytes)
  const at = { url: `https://git.example.com/acme/${repo}.git`, apiUrl: 'https://git.example.com/api/v3', deploy: {} }
  const repository = {
    id: repo,
    host: 'github' as const,
    name: `acme/${repo}`,
    createdAt: '2026-01-01T00:00:00Z',
    ...at,
  }
  await store.repositories.add(repository, { webhookSecret: 'a secret' })
})

/** Takes in a push from one commit to another, each given by a letter. */
async function push(before: string, sha: string, more: Partial<Run> = {}): Promise<Run> {
  const id = newId<RunId>('run', randomBytes)
  const commits = { before: before.repeat(40) as Sha, sha: sha.repeat(40) as Sha }
  const what = { repo, repository: 'acme/shop', event: 'push' as const, branch: 'main', message: '', author: '' }
  const run = newRun({ id, ...what, ...commits, ...more }, new Date().toISOString())
  const accepted = await store.runs.accept(run, { id, headers: {}, body: Buffer.alloc(0) })
  if (accepted.kind !== 'accepted') throw new Error(accepted.kind)
  return accepted.run
}
/** Asks for production as a deployer does. @returns what it was superseded by, or undefined: it had its turn */
async function deploy(run: Run): Promise<string | undefined> {
  const stage = { run, signal, log: { say: () => {} } } as unknown as StageContext
  const deps = {
    store,
    environment: { name: 'production' },
    holder: newId('holder', randomBytes),
  } as unknown as ReleaseDeps
  try {
    await (await holdLane(stage, deps)).leave()
    return undefined
  } catch (error) {
    if (error instanceof Left && error.how.end === 'superseded') return error.how.by
    throw error
  }
}

test('a push whose delivery was overtaken by the next one does not deploy over it', async () => {
  expect(await deploy(await push('0', 'a'))).toBeUndefined()
  const newer = await push('b', 'c')
  expect(await deploy(newer)).toBeUndefined()
  expect(await deploy(await push('a', 'b'))).toBe(`run #${newer.number} (ccccccc)`)
})

test('one that was overtaken, but gets to the environment first, gives way to the newer one', async () => {
  const newer = await push('b', 'c')
  expect(await deploy(await push('a', 'b'))).toBeUndefined()
  expect(await deploy(newer)).toBeUndefined()
})

test('a branch that is set back deploys, and so does what is pushed upon that', async () => {
  expect(await deploy(await push('a', 'b'))).toBeUndefined()
  expect(await deploy(await push('b', 'c'))).toBeUndefined()
  expect(await deploy(await push('c', 'a', { forced: true }))).toBeUndefined()
  expect(await deploy(await push('a', 'b'))).toBeUndefined()
})

test('a person who runs an old commit again has it deployed', async () => {
  expect(await deploy(await push('a', 'b'))).toBeUndefined()
  expect(await deploy(await push('0', 'a'))).toMatch(/bbbbbbb/)
  expect(await deploy(await push('0', 'a', { event: 'rerun' }))).toBeUndefined()
})

test('one that was overtaken does not take the place of the newer one at a gate', async () => {
  const environment = { name: 'production' } as PlannedEnvironment
  const newer = await push('b', 'c')
  await gateBefore(store, newer, environment)
  await expect(gateBefore(store, await push('a', 'b'), environment)).rejects.toMatchObject({
    how: { end: 'superseded' },
  })
  await expect(gateBefore(store, newer, environment)).resolves.toBeUndefined()
})

test('a rollback that was cut off goes on, whatever gate has been closed meanwhile', async () => {
  const environment = { name: 'production' } as PlannedEnvironment
  const run = await push('a', 'b')
  for (let failures = 0; failures < 2; failures++)
    await store.environments.noteOutcome(repo, 'production', `run_${failures}` as RunId, 'a release')
  expect(await gateBefore(store, run, environment)).toBeDefined()
  const releases = [{ environment: 'production', generation: 1, state: 'restoring' as const }]
  expect(await gateBefore(store, { ...run, releases }, environment)).toBeUndefined()
})
