import type { Mirror } from './fetch-order.ts'
import { git } from './git.ts'
import type { TreeFile } from './tree.ts'

/** What of a commit a checkout does not bring, by path. */
export interface LeftOut {
  /** Files whose content is in large file storage: the commit has pointers to it. */
  pointers: string[]
  submodules: string[]
}

const readMs = 60_000
/** How long a pointer is (github.com/git-lfs/git-lfs docs/spec.md): three lines, the last of them a number. */
const isOfPointerSize = ({ bytes = 0 }: TreeFile): boolean => bytes >= 120 && bytes <= 200
const isPointer =
  /^version https:\/\/(?:git-lfs\.github\.com|hawser\.github\.com)\/spec\/v1\noid sha256:[0-9a-f]{64}\nsize \d+\n?$/

/** Looks through a commit for pointers of large file storage and for submodules. */
export async function leftOut(mirror: Mirror, files: readonly TreeFile[], signal?: AbortSignal): Promise<LeftOut> {
  const submodules = files.filter(({ mode }) => mode === '160000').map(({ path }) => path)
  const small = files.filter((file) => file.mode.startsWith('100') && isOfPointerSize(file))
  if (small.length === 0) return { pointers: [], submodules }
  const { stdout } = await git(['cat-file', '--batch'], {
    folder: mirror.folder,
    deadlineMs: readMs,
    input: small.map(({ id }) => `${id}\n`).join(''),
    ...(signal ? { signal } : {}),
  })
  const pointers: string[] = []
  let at = 0
  for (const { path, id, bytes = 0 } of small) {
    const begin = stdout.indexOf('\n', at) + 1
    if (begin === 0 || !stdout.toString('latin1', at, begin).startsWith(`${id} blob`)) break
    if (isPointer.test(stdout.toString('latin1', begin, begin + bytes))) pointers.push(path)
    at = begin + bytes + 1
  }
  return { pointers, submodules }
}
