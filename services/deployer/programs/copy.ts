import { lstat, mkdir, mkdtemp, readdir, readlink, realpath, rm } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import type { Sha } from '@taxiway/domain/ids.ts'
import { type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Mirror } from '@taxiway/git/fetch-order.ts'
import { exportTree } from '@taxiway/git/tree.ts'

/** The files of a commit in a private folder. */
export interface Copy {
  /** The private folder, */
  folder: string
  /** and in it the files of the commit. */
  tree: string
}
const maxFiles = 20_000
const maxMb = 256

/** Lays a commit out in a private folder for as long as `work` takes. Refuses `path_outside_repo` for a link that leads out of it. */
export async function withCopy<T>(
  { mirror, sha, place, signal }: { mirror: Mirror; sha: Sha; place: string; signal: AbortSignal },
  work: (copy: Copy) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  await mkdir(place, { recursive: true, mode: 0o700 })
  const folder = await realpath(await mkdtemp(join(place, 'copy-')))
  try {
    const tree = join(folder, 'tree')
    const exported = await exportTree(mirror, sha, tree, { maxFiles, maxMb, signal })
    if (!exported.ok) return exported
    const leading = await linkOut(tree, tree)
    if (leading !== undefined) return refuse('path_outside_repo', { path: leading })
    return await work({ folder, tree })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The first link below a folder that leads out of the tree, or nowhere. */
async function linkOut(tree: string, folder: string): Promise<string | undefined> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isSymbolicLink()) {
      const target = resolve(dirname(path), await readlink(path))
      const real = await realpath(path).catch(() => target)
      if (!isWithin(tree, target) || !isWithin(tree, real)) return relative(tree, path)
    } else if (entry.isDirectory()) {
      const found = await linkOut(tree, path)
      if (found !== undefined) return found
    }
  }
  return undefined
}

/** Is it the folder, or something in it? */
export const isWithin = (folder: string, path: string): boolean => path === folder || path.startsWith(folder + sep)

/** What is at a path: links are followed, which stay within the tree. */
export async function kindOf(path: string): Promise<'file' | 'folder' | undefined> {
  const real = await realpath(path).catch(() => undefined)
  const found = real && (await lstat(real).catch(() => undefined))
  return found ? (found.isDirectory() ? 'folder' : found.isFile() ? 'file' : undefined) : undefined
}
