import type { Digest } from '@taxiway/domain/ids.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import { makeRegistryApi } from '@taxiway/registry/api.ts'
import { attach, referrersTag } from '@taxiway/registry/referrers.ts'
import { keys } from '@taxiway/store/redis/keys.ts'
import { expect, test } from 'vitest'
import { makePruneRecord } from '../../../services/builder/prune/record.ts'
import { account } from '../../world/private-registry.ts'
import { dayMs, pruneScene, registryOf } from './prune-scene.ts'

const scene = await pruneScene()
const { registry, closed, store, told, logger, put, isThere, endedRun, release } = scene

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
  scene.now += 31 * dayMs
  await store.redis.del(keys.releases(scene.repo, 'production'))
  await prune()
  expect(await Promise.all([released, shared, tagged, recent].map(there))).toEqual([false, false, true, false])
  expect((await store.runs.list({ repo: scene.repo, limit: 10 })).runs).toHaveLength(5)
})

test('what is said about an image goes with it, and keeps neither it nor others', async () => {
  const { host } = registry
  const api = makeRegistryApi(host, account)
  const repository = `${scene.name}/web`
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
    const image = {
      reference: `${host}/${scene.name}/web@${run.digest}`,
      digest: run.digest,
      imageId: 'x',
      statement: '',
    }
    await store.imageKeys.keep(scene.repo, key, { ...image, run: run.number })
  }
  const [used, unused] = [await endedRun(40, { host }), await endedRun(40, { host })]
  await keep('used', used)
  await keep('unused', unused)
  const prune = makePruneRecord({ config: { registry: registryOf(host), keepRunsDays: 30 }, store, logger })
  scene.now += 31 * dayMs
  expect((await store.imageKeys.use(scene.repo, ['none', 'used']))?.image.digest).toBe(used.digest)
  await prune()
  expect(await Promise.all([used, unused].map(({ digest }) => isThere(host, digest)))).toEqual([true, false])
  expect(await store.imageKeys.use(scene.repo, ['unused'])).toBeUndefined()
  expect((await store.imageKeys.use(scene.repo, ['used']))?.key).toBe('used')
  scene.now += 31 * dayMs
  await prune()
  expect(await isThere(host, used.digest)).toBe(false)
  expect(await store.imageKeys.use(scene.repo, ['used'])).toBeUndefined()
})

test('content keys go with their repository, and there are no more than a repository may have', async () => {
  const image = { reference: 'r', digest: `sha256:${'1'.repeat(64)}` as Digest, imageId: 'x', statement: '', run: 1 }
  for (let index = 0; index < 505; index++) {
    scene.now += 1
    await store.imageKeys.keep(scene.repo, `key ${index}`, image)
  }
  expect(await store.imageKeys.use(scene.repo, ['key 4'])).toBeUndefined()
  expect(await store.imageKeys.use(scene.repo, ['key 5'])).toMatchObject({ key: 'key 5' })
  expect(await store.redis.hlen(keys.imageKeys(scene.repo))).toBe(500)
  const repository = await store.repositories.read(scene.repo)
  if (repository) await store.repositories.remove(repository)
  await store.imageKeys.keep(scene.repo, 'late', image)
  expect(await store.redis.exists(keys.imageKeys(scene.repo), keys.imageKeysUsed(scene.repo))).toBe(0)
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
  await store.redis.hset(keys.statusPosted(scene.repo, gone.sha), 'taxiway', 'success')
  for (let index = 0; index < 100; index++) await endedRun(45)
  const config = { registry: registryOf(registry.host), keepRunsDays: 30 }
  await makePruneRecord({ config, store, logger })()
  expect(await store.runs.read(gone.id)).toBeUndefined()
  expect(await store.runs.read(released.id)).toBeDefined()
  expect(await store.runs.read(open.id)).toBeDefined()
  const left = (await store.redis.keys('*')).filter((key) => key.includes(gone.id) || key.includes(gone.sha))
  expect(left).toEqual([])
  for (const index of [keys.runs, keys.runsOf(scene.repo), keys.statusDue, keys.openRuns])
    expect(
      await store.redis.type(index).then((type) => (type === 'zset' ? store.redis.zscore(index, gone.id) : null)),
    ).toBeNull()
  expect(await store.redis.zcard(keys.runsOf(scene.repo))).toBe(102)
  expect(told).toEqual(['old runs pruned'])
})

test('of a repository that was removed, nothing old stays', async () => {
  const run = await endedRun(31)
  const recent = await endedRun(29)
  const repository = await store.repositories.read(scene.repo)
  if (repository) await store.repositories.remove(repository)
  await makePruneRecord({ config: { registry: registryOf(registry.host), keepRunsDays: 30 }, store, logger })()
  expect(await Promise.all([run, recent].map(({ id }) => store.runs.read(id)))).toEqual([undefined, expect.anything()])
})
