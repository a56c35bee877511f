import { createHash } from 'node:crypto'
import { openFolder, readInside } from '@taxiway/docker/build/folder.ts'
import { lookAtFolders } from '@taxiway/docker/container/cache-folders.ts'
import { ensureCacheVolume } from '@taxiway/docker/container/cache-volumes.ts'
import type { ContainerSpec, FolderOwner } from '@taxiway/docker/container/spec.ts'
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
  say(line: string): void
}
type Volume = NonNullable<ContainerSpec['volumes']>[number]
const maxKeyKb = 20 * 1024

/**
 * The volumes of a test's caches, made where they are missing, and where they go: into folders of the image's user. One whose folder has something in
 * the image is left out, as what is tested would not be what is published. Refuses a key that is no file of the commit.
 * @param container what looks into the image
 */
export async function mountCaches(
  deps: CacheDeps,
  caches: PlannedTest['caches'] = [],
  container: ContainerSpec,
): Promise<Outcome<Volume[]>> {
  if (caches.length === 0) return done([])
  const paths = caches.map(({ path }) => path)
  const folders = await lookAtFolders(deps.engine, container, paths, deps.signal)
  if (!folders.ok) return folders
  const volumes: Volume[] = []
  for (const { path, key } of caches) {
    const keys = await hashFiles(deps.folder, key)
    if (!keys.ok) return keys
    const folder = folders.value.find((one) => one.path === path)
    if (folder?.isFull) {
      deps.say(`note: cache ${path} is left out, as the image has something there, which it would hide`)
      continue
    }
    const name = volumeName(deps, path, keys.value, folder?.owner)
    const engine = await engineId(deps.engine, deps.signal)
    // Used before it is there: nobody then takes it for forgotten.
    await deps.store.caches.used(engine, name)
    await ensureCacheVolume(deps.engine, { name, repo: deps.run.repo }, deps.signal)
    volumes.push({ name, path, ...(folder?.owner ? { owner: folder.owner } : {}) })
  }
  return done(volumes)
}

/** One for each owner, path, user and content of the keys. */
function volumeName({ engine, run }: CacheDeps, path: string, keys: string[], user?: FolderOwner): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([cacheOwner(run), path, keys, ...(user ? [user.uid] : [])]))
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
