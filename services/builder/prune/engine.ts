import type { Logger } from '@taxiway/chassis/logger.ts'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { engineId } from '@taxiway/docker/engine/engine-info.ts'
import { pruneBuildCache, removeUnused } from '@taxiway/docker/engine/prune.ts'
import { digestsIn } from '@taxiway/store/runs/retention.ts'
import type { Store } from '@taxiway/store/store.ts'
import { pruneCaches } from './caches.ts'

export interface PruneEngineDeps {
  store: Store
  engine: Engine
  logger: Logger
  /** BuildKit may keep so much for later builds, and tests as much again. */
  cacheBytes: number
}
const dayMs = 24 * 3_600_000
/** An image that we pulled goes when nobody used it for so long; sooner while the disk is nearly full. */
const unusedDays = 14
const unusedDaysUnderPressure = 1
/** Of the cache, under pressure: one part in so many. */
const pressureShare = 4

/** Trims what this engine keeps: BuildKit's cache to its size, the images that we pulled and the caches of tests to those lately used. */
export async function pruneEngine(deps: PruneEngineDeps, isPressed: boolean, signal?: AbortSignal): Promise<void> {
  const { store, engine, logger, cacheBytes } = deps
  const freed = await pruneBuildCache(engine, isPressed ? Math.floor(cacheBytes / pressureShare) : cacheBytes, signal)
  const id = await engineId(engine, signal)
  const days = isPressed ? unusedDaysUnderPressure : unusedDays
  const unused = await store.pulledImages.unusedSince(id, new Date(store.now().getTime() - days * dayMs))
  const inUse = unused.length > 0 ? await store.retention.inUse() : undefined
  let images = 0
  for (const image of unused) {
    signal?.throwIfAborted()
    if (digestsIn(image).some((digest) => inUse?.digests.has(digest))) continue
    // An image that a container is made from stays, and is asked about again.
    if (!(await removeUnused(engine, image, signal))) continue
    await store.pulledImages.forget(id, image)
    images += 1
  }
  const caches = await pruneCaches(deps, { days, isPressed }, signal)
  if (freed > 0 || images > 0 || caches > 0)
    logger.info({ freedMb: Math.round(freed / 2 ** 20), images, caches }, 'engine pruned')
}
