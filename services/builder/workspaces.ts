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
  /** From now on files may be missing. */
  isHalf(): void
  /** All files are there. */
  isWhole(): void
  /** Gives it back: as a spare for the repository's next run if all files are there, else it is removed. */
  release(): Promise<void>
}
export type Workspaces = ReturnType<typeof makeWorkspaces>

/**
 * The workspaces of a builder. They are kept by repository, so that the next run writes only what differs, and what builds keep by the
 * times of its files (cache mounts) is only ever used by one run after another. Taking
 * and giving back is one renaming: nobody has half of one, and what a killed builder leaves bears its run's name and is swept.
 */
export function makeWorkspaces(dataFolder: string) {
  const spares = join(dataFolder, 'spares')
  return {
    async take({ id, repo, attempt }: Pick<Run, 'id' | 'repo' | 'attempt'>): Promise<Workspace> {
      const name = `${id}-${attempt}`
      const folder = join(dataFolder, 'workspaces', name)
      await mkdir(join(dataFolder, 'workspaces'), { recursive: true, mode: 0o700 })
      let isWhole = false
      for (const spare of await sparesOf(spares, repo)) {
        isWhole = await moved(spare, folder)
        if (isWhole) break
      }
      return {
        tree: join(folder, 'tree'),
        isHalf() {
          isWhole = false
        },
        isWhole() {
          isWhole = true
        },
        async release() {
          if (isWhole) await keep(folder, join(spares, `${repo}.${name}`)).catch(() => {})
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

/** Those of a repository, the one that was used last first. */
async function sparesOf(spares: string, repo: RepositoryId): Promise<string[]> {
  const names = (await readdir(spares).catch(() => [])).filter((name) => name.startsWith(`${repo}.`))
  const found = names.map(async (name) => {
    const path = join(spares, name)
    return { path, atMs: (await stat(path).catch(() => undefined))?.mtimeMs ?? 0 }
  })
  return (await Promise.all(found)).sort((a, b) => b.atMs - a.atMs).map(({ path }) => path)
}

async function keep(folder: string, spare: string): Promise<void> {
  await mkdir(join(spare, '..'), { recursive: true, mode: 0o700 })
  await utimes(folder, new Date(), new Date())
  await rename(folder, spare)
}

/** @returns false when another run was quicker */
async function moved(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return false
  }
}
