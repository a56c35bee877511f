import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { RepositoryId } from '@taxiway/domain/ids.ts'
import type { Run } from '@taxiway/domain/run/run.ts'

/** A spare that no run took for so long goes. */
const unusedMs = 7 * 24 * 3_600_000

/** Where the files of a run's commit are. */
export interface Workspace {
  /** For the files alone; what git knows of them stands beside it. */
  tree: string
  /** All files are there. */
  isWhole(): void
  /** Gives it back: as a spare for the repository's next run if all files are there, else it is removed. */
  release(): Promise<void>
}
export type Workspaces = ReturnType<typeof makeWorkspaces>

/**
 * The workspaces of a builder. The last one of each repository is kept, so that the next run writes only what differs. Taking
 * and giving back is one renaming: nobody has half of one, and what a killed builder leaves bears its run's name and is swept.
 */
export function makeWorkspaces(dataFolder: string) {
  const spares = join(dataFolder, 'spares')
  const spareOf = (repo: RepositoryId) => join(spares, repo)
  return {
    async take({ id, repo, attempt }: Pick<Run, 'id' | 'repo' | 'attempt'>): Promise<Workspace> {
      const folder = join(dataFolder, 'workspaces', `${id}-${attempt}`)
      await mkdir(join(dataFolder, 'workspaces'), { recursive: true, mode: 0o700 })
      await rename(spareOf(repo), folder).catch(ifMissing)
      let isWhole = false
      return {
        tree: join(folder, 'tree'),
        isWhole() {
          isWhole = true
        },
        async release() {
          if (isWhole) await keep(folder, spareOf(repo)).catch(() => {})
          await rm(folder, { recursive: true, force: true })
        },
      }
    },

    /** Removes spares that nobody took for long, or all of them. */
    async prune({ all }: { all: boolean }): Promise<void> {
      for (const name of await readdir(spares).catch(() => [])) {
        const atMs = (await stat(join(spares, name)).catch(() => undefined))?.mtimeMs ?? 0
        if (all || Date.now() - atMs > unusedMs) await rm(join(spares, name), { recursive: true, force: true })
      }
    },
  }
}

/** Another run of the repository may have been quicker: one spare is enough. */
async function keep(folder: string, spare: string): Promise<void> {
  await mkdir(join(spare, '..'), { recursive: true, mode: 0o700 })
  await utimes(folder, new Date(), new Date())
  await rename(folder, spare)
}

function ifMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
