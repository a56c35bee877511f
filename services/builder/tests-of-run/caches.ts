import { createHash } from 'node:crypto'
import { openFolder, readInside } from '@taxiway/docker/build/folder.ts'
import { ensureCacheVolume } from '@taxiway/docker/container/cache-volumes.ts'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { engineId } from '@taxiway/docker/engine/engine-info.ts'
import type { PlannedTest } from '@taxiway/domain/plan/tests.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import type { Store } from '@taxiway/store/store.ts'
import { cacheOwner } from '../cache-owner.ts'

export interface CacheDeps {
  engine: Engine
  store: Pick<Store, 'caches'>
  run: Pick<Run, 'repo' | 'trusted' | 'pullRequest'>
  /** The files of the commit. */
  folder: string
  signal: AbortSignal
}
const maxKeyKb = 20 * 1024

/** The volumes of a test's caches, made where they are missing, and where they go. Refuses a key that is no file of the commit. */
export async function mountCaches(
  deps: CacheDeps,
  caches: PlannedTest['caches'] = [],
): Promise<Outcome<{ name: string; path: string }[]>> {
  const volumes: { name: string; path: string }[] = []
  for (const { path, key } of caches) {
    const keys = await hashFiles(deps.folder, key)
    if (!keys.ok) return keys
    const name = volumeName(deps, path, keys.value)
    const engine = await engineId(deps.engine, deps.signal)
    // Used before it is there: nobody then takes it for forgotten.
    await deps.store.caches.used(engine, name)
    await ensureCacheVolume(deps.engine, { name, repo: deps.run.repo }, deps.signal)
    volumes.push({ name, path })
  }
  return done(volumes)
}

/** One for each owner, path and content of the keys. */
function volumeName({ engine, run }: CacheDeps, path: string, keys: string[]): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([cacheOwner(run), path, keys]))
    .digest('hex')
  return `taxiway-cache-${engine.installation ? `${engine.installation}-` : ''}${hash.slice(0, 40)}`
}

/** Each file with the hash of its content, without following a link. */
async function hashFiles(folder: string, files: string[]): Promise<Outcome<string[]>> {
  const root = await openFolder(folder, '.')
  if (!root.ok) return root
  try {
    const hashes: string[] = []
    for (const file of files) {
      const content = await readInside(root.value, file, maxKeyKb)
      if (!content.ok) return content
      hashes.push(`${file}:${createHash('sha256').update(content.value.content).digest('hex')}`)
    }
    return done(hashes)
  } finally {
    await root.value.handle.close()
  }
}
