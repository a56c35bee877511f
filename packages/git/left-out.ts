import type { Mirror } from './fetch-order.ts'
import { findPointers } from './lfs/pointers.ts'
import type { TreeFile } from './tree.ts'

/** What of a commit a checkout does not bring by itself, by path. */
export interface LeftOut {
  /** Files whose content is in large file storage: the commit has pointers to it. */
  pointers: string[]
  submodules: string[]
}

/** Looks through a commit for pointers of large file storage and for submodules. */
export async function leftOut(mirror: Mirror, files: readonly TreeFile[], signal?: AbortSignal): Promise<LeftOut> {
  const submodules = files.filter(({ mode }) => mode === '160000').map(({ path }) => path)
  const pointers = await findPointers(mirror, files, signal)
  return { pointers: pointers.map(({ file }) => file.path), submodules }
}
