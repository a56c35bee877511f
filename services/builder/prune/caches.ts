import { listCacheVolumes, removeCacheVolume, volumeSizes } from '@taxiway/docker/container/cache-volumes.ts'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { engineId } from '@taxiway/docker/engine/engine-info.ts'
import type { Store } from '@taxiway/store/store.ts'

export interface PruneCachesDeps {
  store: Pick<Store, 'caches' | 'repositories' | 'now'>
  engine: Engine
  /** All caches of tests together may be so large. */
  cacheBytes: number
}
const dayMs = 24 * 3_600_000
/** Of the cache, under pressure: one part in so many. */
const pressureShare = 4

/**
 * Removes the caches of tests that nobody has used for so many days, those of repositories that are gone, and then the ones that
 * were not used for the longest time until the rest is small enough. What a container uses stays.
 * @returns how many
 */
export async function pruneCaches(
  { store, engine, cacheBytes }: PruneCachesDeps,
  { days, isPressed }: { days: number; isPressed: boolean },
  signal?: AbortSignal,
): Promise<number> {
  const id = await engineId(engine, signal)
  const registered = new Set<string>((await store.repositories.list()).map((one) => one.id))
  const found = await Promise.all(
    (await listCacheVolumes(engine, signal)).map(async (volume) => ({
      ...volume,
      usedMs: (await store.caches.lastUsed(id, volume.name))?.getTime() ?? volume.createdAt.getTime(),
    })),
  )
  if (found.length === 0) return 0
  const sizes = await volumeSizes(engine, signal)
  const before = store.now().getTime() - days * dayMs
  let leftBytes = isPressed ? cacheBytes / pressureShare : cacheBytes
  let removed = 0
  for (const { name, repo, usedMs } of found.sort((a, b) => b.usedMs - a.usedMs)) {
    signal?.throwIfAborted()
    leftBytes -= sizes.get(name) ?? 0
    if (registered.has(repo) && usedMs >= before && leftBytes >= 0) continue
    if (!(await removeCacheVolume(engine, name, signal))) continue
    await store.caches.forget(id, name)
    removed += 1
  }
  return removed
}
