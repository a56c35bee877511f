import { readdir, rm, rmdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseRunId } from '@taxiway/domain/ids.ts'
import type { Store } from '@taxiway/store/store.ts'

export interface PruneArtifactsDeps {
  /** Folder of the artifacts of all runs. */
  folder: string
  store: Pick<Store, 'runs' | 'now'>
}
/** A file that no run names may be one that is just being written. */
const strayMs = 24 * 3_600_000

/** Makes the pass that removes files of tests that are past their time, or that no run names any more. */
export function makePruneArtifacts({ folder, store }: PruneArtifactsDeps): (signal?: AbortSignal) => Promise<number> {
  const isWanted = async (run: string, file: string): Promise<boolean> => {
    const id = parseRunId(run)
    const artifact = id && (await store.runs.read(id))?.artifacts?.find((one) => one.id === file)
    const now = store.now().getTime()
    if (artifact) return Date.parse(artifact.expiresAt) > now
    const found = await stat(join(folder, run, file)).catch(() => undefined)
    return found !== undefined && found.mtimeMs > now - strayMs
  }
  return async function pruneArtifactsOnce(signal) {
    let removed = 0
    for (const run of await readdir(folder).catch(() => [])) {
      signal?.throwIfAborted()
      const changedMs = (await stat(join(folder, run)).catch(() => undefined))?.mtimeMs ?? 0
      for (const file of await readdir(join(folder, run)).catch(() => [])) {
        if (await isWanted(run, file)) continue
        await rm(join(folder, run, file), { recursive: true, force: true })
        removed += 1
      }
      // Only when it is empty, and nobody is about to write into it.
      if (changedMs < store.now().getTime() - strayMs) await rmdir(join(folder, run)).catch(() => undefined)
    }
    return removed
  }
}
