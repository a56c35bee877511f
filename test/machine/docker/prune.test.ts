import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildImage } from '@taxiway/docker/build/build.ts'
import { packContext } from '@taxiway/docker/build/context.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { engineId } from '@taxiway/docker/engine/engine-info.ts'
import { pruneBuildCache } from '@taxiway/docker/engine/prune.ts'
import { imageExists, pullImage, removeImage } from '@taxiway/docker/image/image.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import { type Digest, newId, type RepositoryId, type RunId, type Sha } from '@taxiway/domain/ids.ts'
import { newRun, type Run } from '@taxiway/domain/run/run.ts'
import { makeRegistryApi } from '@taxiway/registry/api.ts'
import { attach, referrersTag } from '@taxiway/registry/referrers.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { keys } from '@taxiway/store/redis/keys.ts'
import { openStore, type Store } from '@taxiway/store/store.ts'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { type StartedRedis, startRedis } from '../../../deploy/local/redis.ts'
import { pruneEngine } from '../../../services/builder/prune/engine.ts'
import { makePrune } from '../../../services/builder/prune/prune.ts'
import { makePruneRecord } from '../../../services/builder/prune/record.ts'
import { account, startPrivateRegistry } from '../../world/private-registry.ts'

const engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' })
const dayMs = 24 * 3_600_000
const signal = new AbortController().signal
let folder: string
let redis: StartedRedis
let registry: Awaited<ReturnType<typeof startPrivateRegistry>>
let closed: Awaited<ReturnType<typeof startPrivateRegistry>>
let store: Store
let now = Date.now()
const told: string[] = []
const tell = (...said: unknown[]) => void told.push(String(said.at(-1)))
const logger = { info: tell, warn: tell } as never

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-prune-'))
  redis = await startRedis({ folder: join(folder, 'parts'), say: () => {} }, { fresh: true })
  registry = await startPrivateRegistry(join(folder, 'open'))
  closed = await startPrivateRegistry(join(folder, 'closed'), { password: false, deletes: false })
  store = openStore({ redisUrl: redis.address, secretKey: randomBytes(32), now: () => new Date(now) })
  await waitReady(store.redis, 5000)
})
afterAll(async () => {
  await store.close()
  await Promise.all([redis.stop(), registry.stop(), closed.stop()])
  rmSync(folder, { recursive: true, force: true })
})

let repo: RepositoryId
let name: string
beforeEach(async () => {
  repo = newId<RepositoryId>('repo', randomBytes)
  name = `acme/${repo.slice(5, 15)}`
  const urls = { url: `https://git.example.com/${name}.git`, apiUrl: 'https://git.example.com/api/v3' }
  const createdAt = new Date(now).toISOString()
  await store.repositories.add(
    { id: repo, host: 'github', name, ...urls, deploy: {}, createdAt },
    { webhookSecret: 's' },
  )
  told.length = 0
})
afterEach(async () => {
  await store.redis.flushall()
  now = Date.now()
})

/** Puts a small image of its own into a registry. */
async function put(host: string, tag: string, content: string): Promise<Digest> {
  const basic = Buffer.from(`${account.username}:${account.password}`).toString('base64')
  const headers = { authorization: `Basic ${basic}` }
  const base = `http://${host}/v2/${name}/web`
  const config = JSON.stringify({ architecture: 'amd64', os: 'linux', config: { Labels: { content } } })
  const digest = `sha256:${createHash('sha256').update(config).digest('hex')}`
  const upload = await fetch(`${base}/blobs/uploads/`, { method: 'POST', headers })
  const place = new URL(upload.headers.get('location') ?? '', base)
  place.searchParams.set('digest', digest)
  await fetch(place, { method: 'PUT', headers, body: config })
  const mediaType = 'application/vnd.docker.distribution.manifest.v2+json'
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: config.length, digest },
    layers: [],
  }
  const types = { ...headers, 'content-type': mediaType }
  const done = await fetch(`${base}/manifests/${tag}`, {
    method: 'PUT',
    headers: types,
    body: JSON.stringify(manifest),
  })
  return done.headers.get('docker-content-digest') as Digest
}

/** Is the image in the registry? */
async function isThere(host: string, reference: string): Promise<boolean> {
  const basic = Buffer.from(`${account.username}:${account.password}`).toString('base64')
  const accept = 'application/vnd.docker.distribution.manifest.v2+json'
  const headers = { authorization: `Basic ${basic}`, accept }
  return (await fetch(`http://${host}/v2/${name}/web/manifests/${reference}`, { headers })).status === 200
}

/** A run that ended so many days ago, with its image in the registry. */
async function endedRun(
  daysAgo: number,
  image?: { host: string; content?: string },
): Promise<Run & { digest: Digest }> {
  const id = newId<RunId>('run', randomBytes)
  const at = new Date(now - daysAgo * dayMs).toISOString()
  const sha = randomBytes(20).toString('hex') as Sha
  const push = { id, repo, repository: name, event: 'push' as const, sha, branch: 'main', message: 'm', author: 'a' }
  const delivery = { id: randomBytes(8).toString('hex'), headers: {}, body: Buffer.from('{}') }
  const accepted = await store.runs.accept(newRun(push, at), delivery)
  if (accepted.kind !== 'accepted') throw new Error(accepted.kind)
  const { run } = accepted
  const digest = image ? await put(image.host, `run-${run.number}`, image.content ?? id) : ('' as Digest)
  const images = image ? [{ name: 'web', digest, reference: `${image.host}/${name}/web@${digest}` }] : []
  const ended: Run = { ...run, state: 'cancelled', finishedAt: at, images }
  await store.redis.hset(keys.run(id), { doc: JSON.stringify(ended), state: 'cancelled' })
  await store.redis.srem(keys.openRuns, id)
  return { ...ended, digest }
}

async function release(run: Run & { digest: Digest }): Promise<void> {
  const order = { objects: [{ spec: { image: `x@${run.digest}` } }] }
  const { id: runId, sequence, sha } = run
  const kept = { runId, sequence, sha, generation: 1, state: 'live' as const, target: 'docker', order }
  await store.releases.save(repo, 'production', kept)
}
const registryOf = (host: string) => ({ prefix: host, user: account.username, password: account.password })

test('images of old runs leave the registry, but not those that a release, a newer run or another tag needs', async () => {
  const host = registry.host
  const image = { host }
  const old = await endedRun(40, image)
  const released = await endedRun(40, image)
  const shared = await endedRun(40, { host, content: 'built twice' })
  const tagged = await endedRun(40, image)
  const recent = await endedRun(10, { host, content: 'built twice' })
  await release(released)
  await put(host, 'stable', tagged.id)
  const prune = makePruneRecord({ config: { registry: registryOf(host), keepRunsDays: 30 }, store, logger })
  await prune()
  const there = async (run: Run & { digest: Digest }) => isThere(host, run.digest)
  expect(await Promise.all([old, released, shared, tagged, recent].map(there))).toEqual([false, true, true, true, true])
  expect(recent.digest).toBe(shared.digest)
  expect(await isThere(host, `run-${old.number}`)).toBe(false)
  expect(told).toEqual(['old runs pruned'])
  // What is needed no more goes with the next pass.
  now += 31 * dayMs
  await store.redis.del(keys.releases(repo, 'production'))
  await prune()
  expect(await Promise.all([released, shared, tagged, recent].map(there))).toEqual([false, false, true, false])
  expect((await store.runs.list({ repo, limit: 10 })).runs).toHaveLength(5)
})

test('what is said about an image goes with it, and keeps neither it nor others', async () => {
  const { host } = registry
  const api = makeRegistryApi(host, account)
  const repository = `${name}/web`
  const attachTo = async (run: Run & { digest: Digest }) => {
    const subject = await api.manifest(repository, run.digest)
    if (!subject) throw new Error('no image')
    const statement = { type: 'application/vnd.in-toto+json', bytes: Buffer.from(run.id), annotations: {} }
    const provenance = await attach(api, repository, subject, statement)
    const doc = { ...run, images: run.images.map((image) => ({ ...image, provenance })) }
    await store.redis.hset(keys.run(run.id), 'doc', JSON.stringify(doc))
    return provenance
  }
  const all = async (run: Run & { digest: Digest }, provenance: Digest) =>
    Promise.all([run.digest, provenance, referrersTag(run.digest)].map((one) => api.digest(repository, one)))
  const [old, released] = [await endedRun(40, { host }), await endedRun(40, { host })]
  const [ofOld, ofReleased] = [await attachTo(old), await attachTo(released)]
  await release(released)
  await makePruneRecord({ config: { registry: registryOf(host), keepRunsDays: 30 }, store, logger })()
  expect(await all(old, ofOld)).toEqual([undefined, undefined, undefined])
  expect(await all(released, ofReleased)).toEqual([released.digest, ofReleased, expect.stringMatching(/^sha256:/)])
})

test('an image that a content key stands for stays while the key is used, and goes with it', async () => {
  const { host } = registry
  const keep = async (key: string, run: Run & { digest: Digest }) => {
    const image = { reference: `${host}/${name}/web@${run.digest}`, digest: run.digest, imageId: 'x', statement: '' }
    await store.imageKeys.keep(repo, key, { ...image, run: run.number })
  }
  const [used, unused] = [await endedRun(40, { host }), await endedRun(40, { host })]
  await keep('used', used)
  await keep('unused', unused)
  const prune = makePruneRecord({ config: { registry: registryOf(host), keepRunsDays: 30 }, store, logger })
  now += 31 * dayMs
  expect((await store.imageKeys.use(repo, ['none', 'used']))?.image.digest).toBe(used.digest)
  await prune()
  expect(await Promise.all([used, unused].map(({ digest }) => isThere(host, digest)))).toEqual([true, false])
  expect(await store.imageKeys.use(repo, ['unused'])).toBeUndefined()
  expect((await store.imageKeys.use(repo, ['used']))?.key).toBe('used')
  now += 31 * dayMs
  await prune()
  expect(await isThere(host, used.digest)).toBe(false)
  expect(await store.imageKeys.use(repo, ['used'])).toBeUndefined()
})

test('content keys go with their repository, and there are no more than a repository may have', async () => {
  const image = { reference: 'r', digest: `sha256:${'1'.repeat(64)}` as Digest, imageId: 'x', statement: '', run: 1 }
  for (let index = 0; index < 505; index++) {
    now += 1
    await store.imageKeys.keep(repo, `key ${index}`, image)
  }
  expect(await store.imageKeys.use(repo, ['key 4'])).toBeUndefined()
  expect(await store.imageKeys.use(repo, ['key 5'])).toMatchObject({ key: 'key 5' })
  expect(await store.redis.hlen(keys.imageKeys(repo))).toBe(500)
  const repository = await store.repositories.read(repo)
  if (repository) await store.repositories.remove(repository)
  await store.imageKeys.keep(repo, 'late', image)
  expect(await store.redis.exists(keys.imageKeys(repo), keys.imageKeysUsed(repo))).toBe(0)
})

test('a registry that does not allow it is told once; one that is away keeps the runs in the record', async () => {
  const first = await endedRun(40, { host: closed.host })
  const prune = makePruneRecord({ config: { registry: registryOf(closed.host), keepRunsDays: 30 }, store, logger })
  await prune()
  await prune()
  expect(told).toEqual(['the registry does not allow to remove images, so old ones stay in it'])
  expect(await isThere(closed.host, first.digest)).toBe(true)
  const away = { prefix: '127.0.0.1:9', user: '', password: '' }
  const lost: Run = {
    ...first,
    images: [{ name: 'web', digest: first.digest, reference: `127.0.0.1:9/a@${first.digest}` }],
  }
  await store.redis.hset(keys.run(first.id), { doc: JSON.stringify(lost) })
  for (let index = 0; index < 101; index++) await endedRun(35)
  told.length = 0
  await makePruneRecord({ config: { registry: away, keepRunsDays: 30 }, store, logger })()
  expect(told).toEqual(['old images could not be removed, will try again'])
  expect(await store.runs.read(first.id)).toBeDefined()
})

test('old runs beyond the newest hundred are forgotten with all that is theirs, unless a release names them', async () => {
  const gone = await endedRun(50)
  const released = await endedRun(50)
  const open = await endedRun(50)
  await store.redis.sadd(keys.openRuns, open.id)
  await store.redis.hset(keys.run(open.id), 'doc', JSON.stringify({ ...open, state: 'running' }))
  await release(released)
  await store.redis.xadd(keys.log(gone.id), '*', 'text', 'a line')
  await store.provenance.keep(gone.id, 'web', '{}')
  await store.redis.hset(keys.statusPosted(repo, gone.sha), 'taxiway', 'success')
  for (let index = 0; index < 100; index++) await endedRun(45)
  const config = { registry: registryOf(registry.host), keepRunsDays: 30 }
  await makePruneRecord({ config, store, logger })()
  expect(await store.runs.read(gone.id)).toBeUndefined()
  expect(await store.runs.read(released.id)).toBeDefined()
  expect(await store.runs.read(open.id)).toBeDefined()
  const left = (await store.redis.keys('*')).filter((key) => key.includes(gone.id) || key.includes(gone.sha))
  expect(left).toEqual([])
  for (const index of [keys.runs, keys.runsOf(repo), keys.statusDue, keys.openRuns])
    expect(
      await store.redis.type(index).then((type) => (type === 'zset' ? store.redis.zscore(index, gone.id) : null)),
    ).toBeNull()
  expect(await store.redis.zcard(keys.runsOf(repo))).toBe(102)
  expect(told).toEqual(['old runs pruned'])
})

/** Makes an image like busybox, publishes it and leaves nothing of it in the engine. */
async function push(host: string, tag: string): Promise<Digest> {
  const container = await engine.docker.createContainer({ Image: 'busybox:stable' })
  const { Id: imageId } = (await container.commit({ changes: `LABEL of=${tag}-${repo}` })) as { Id: string }
  await container.remove()
  const order = { imageId, repository: `${host}/${name}/web`, tag, auth: account, signal, deadlineMs: 30_000 }
  const pushed = await pushImage(engine, order)
  await removeImage(engine, imageId)
  if (!pushed.ok) throw new Error(pushed.reason.message)
  return pushed.value.digest
}

test('of a repository that was removed, nothing old stays', async () => {
  const run = await endedRun(31)
  const recent = await endedRun(29)
  const repository = await store.repositories.read(repo)
  if (repository) await store.repositories.remove(repository)
  await makePruneRecord({ config: { registry: registryOf(registry.host), keepRunsDays: 30 }, store, logger })()
  expect(await Promise.all([run, recent].map(({ id }) => store.runs.read(id)))).toEqual([undefined, expect.anything()])
})

test('images that we pulled go when they are unused for two weeks, and neither those in use nor any other', async () => {
  const host = registry.host
  const id = await engineId(engine)
  const reference = (digest: Digest | undefined) => `${host}/${name}/web@${digest}`
  const digests: Digest[] = []
  for (const tag of ['one', 'two', 'three']) {
    const digest = await push(host, tag)
    digests.push(digest)
    expect(await pullImage(engine, reference(digest), { auth: account, signal, deadlineMs: 30_000 })).toMatchObject({
      ok: true,
    })
    if (tag !== 'two') await store.pulledImages.pulled(id, reference(digest))
  }
  const [unused, used, released] = digests
  // Never pulled by us: using it makes it none of ours.
  await store.pulledImages.used(id, reference(used))
  await release({ ...(await endedRun(1)), digest: released as Digest })
  const cacheBytes = 1e15
  const deps = { store, engine, logger, cacheBytes }
  await pruneEngine(deps, false)
  expect(await imageExists(engine, reference(unused))).toBe(true)
  now += 15 * dayMs
  await pruneEngine(deps, false)
  const there = [unused, used, released].map((digest) => imageExists(engine, reference(digest)))
  expect(await Promise.all(there)).toEqual([false, true, true])
  expect(await store.pulledImages.unusedSince(id, new Date(now))).toEqual([reference(released)])
  for (const digest of [used, released]) await removeImage(engine, reference(digest))
})

test('the cache of builds is trimmed to what it may hold', async () => {
  const size = async () => {
    const { BuildCache } = (await engine.docker.df()) as { BuildCache: { Size: number; Shared: boolean }[] | null }
    return (BuildCache ?? []).reduce((sum, one) => sum + (one.Shared ? 0 : one.Size), 0)
  }
  const context = mkdtempSync(join(folder, 'context-'))
  writeFileSync(join(context, 'Dockerfile'), 'FROM busybox:stable\nCOPY random /\n')
  writeFileSync(join(context, 'random'), randomBytes(3_000_000))
  const packed = await packContext({ folder: context, subfolder: '.', dockerfile: 'Dockerfile', maxMb: 9, maxFiles: 9 })
  if (!packed.ok) throw new Error(packed.reason.message)
  const order = { image: 'web', tags: [`taxiway-test/prune:${process.pid}`], signal, deadlineMs: 60_000, onLine() {} }
  const built = await buildImage(engine, { ...order, context: packed.value })
  expect(built.ok ? '' : built.reason.message).toBe('')
  for (const tag of order.tags) await removeImage(engine, tag)
  expect(await pruneBuildCache(engine, 1e15)).toBe(0)
  // Only the oldest goes: others build here as well.
  expect(await pruneBuildCache(engine, (await size()) - 1_000_000)).toBeGreaterThan(0)
})

test('pruning is done at start and every hour, and sooner while the disk is nearly full', async () => {
  let clock = 0
  let free = 0.5
  const config = {
    registry: registryOf(registry.host),
    keepRunsDays: 30,
    cacheGb: 100_000,
    dataFolder: folder,
  } as never
  const prune = makePrune({ config, store, engine, logger, freeShare: async () => free, clock: () => clock })
  const pass = async (atMs: number, freeNow: number) => {
    clock = atMs
    free = freeNow
    told.length = 0
    // A pass leaves a trace in the record: an old image goes.
    const old = await endedRun(40, { host: registry.host })
    await prune(signal)
    return !(await isThere(registry.host, old.digest))
  }
  const minute = 60_000
  expect(await pass(0, 0.5)).toBe(true)
  expect(await pass(59 * minute, 0.5)).toBe(false)
  expect(await pass(60 * minute, 0.5)).toBe(true)
  expect(await pass(65 * minute, 0.05)).toBe(false)
  expect(await pass(71 * minute, 0.05)).toBe(true)
  expect(told).toContain('less than a tenth of the disk is free')
  // Another process is at it.
  await store.retention.holdPruning('another', 60_000)
  expect(await pass(200 * minute, 0.5)).toBe(false)
})
