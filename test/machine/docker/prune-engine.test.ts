import { randomBytes } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildImage } from '@taxiway/docker/build/build.ts'
import { packContext } from '@taxiway/docker/build/context.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { engineId } from '@taxiway/docker/engine/engine-info.ts'
import { pruneBuildCache } from '@taxiway/docker/engine/prune.ts'
import { imageExists, pullImage, removeImage } from '@taxiway/docker/image/image.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import type { Digest } from '@taxiway/domain/ids.ts'
import { expect, test } from 'vitest'
import { pruneEngine } from '../../../services/builder/prune/engine.ts'
import { makePrune } from '../../../services/builder/prune/prune.ts'
import { account } from '../../world/private-registry.ts'
import { dayMs, pruneScene, registryOf } from './prune-scene.ts'

const engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' })
const signal = new AbortController().signal
const scene = await pruneScene()
const { folder, registry, store, told, logger, isThere, endedRun, release } = scene

/** Makes an image like busybox, publishes it and leaves nothing of it in the engine. */
async function push(host: string, tag: string): Promise<Digest> {
  const container = await engine.docker.createContainer({ Image: 'busybox:stable' })
  const { Id: imageId } = (await container.commit({ changes: `LABEL of=${tag}-${scene.repo}` })) as { Id: string }
  await container.remove()
  const order = { imageId, repository: `${host}/${scene.name}/web`, tag, auth: account, signal, deadlineMs: 30_000 }
  const pushed = await pushImage(engine, order)
  await removeImage(engine, imageId)
  if (!pushed.ok) throw new Error(pushed.reason.message)
  return pushed.value.digest
}

test('images that we pulled go when they are unused for two weeks, and neither those in use nor any other', async () => {
  const host = registry.host
  const id = await engineId(engine)
  const reference = (digest: Digest | undefined) => `${host}/${scene.name}/web@${digest}`
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
  scene.now += 15 * dayMs
  await pruneEngine(deps, false)
  const there = [unused, used, released].map((digest) => imageExists(engine, reference(digest)))
  expect(await Promise.all(there)).toEqual([false, true, true])
  expect(await store.pulledImages.unusedSince(id, new Date(scene.now))).toEqual([reference(released)])
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
  const tags = [`taxiway-test/prune:${process.pid}`]
  const order = { image: 'web', tags, cacheMounts: 'prune', signal, deadlineMs: 60_000, onLine() {} }
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
