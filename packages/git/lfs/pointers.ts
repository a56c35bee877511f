import type { Mirror } from '../fetch-order.ts'
import { git } from '../git.ts'
import type { TreeFile } from '../tree.ts'

/** A file whose content is in large file storage: the commit has its name and size only. */
export interface Pointer {
  file: TreeFile
  /** SHA-256 of the content. */
  oid: string
  bytes: number
}

const readMs = 60_000
/** How long a pointer is (github.com/git-lfs/git-lfs docs/spec.md): three lines, the last of them a number. */
const isOfPointerSize = ({ bytes = 0 }: TreeFile): boolean => bytes >= 120 && bytes <= 200
const pointer =
  /^version https:\/\/(?:git-lfs\.github\.com|hawser\.github\.com)\/spec\/v1\noid sha256:([0-9a-f]{64})\nsize (\d{1,15})\n?$/

/** Looks through a commit for pointers of large file storage. */
export async function findPointers(
  mirror: Mirror,
  files: readonly TreeFile[],
  signal?: AbortSignal,
): Promise<Pointer[]> {
  const small = files.filter((file) => file.mode.startsWith('100') && isOfPointerSize(file))
  if (small.length === 0) return []
  const { stdout } = await git(['cat-file', '--batch'], {
    folder: mirror.folder,
    deadlineMs: readMs,
    input: small.map(({ id }) => `${id}\n`).join(''),
    ...(signal ? { signal } : {}),
  })
  const pointers: Pointer[] = []
  let at = 0
  for (const file of small) {
    const { id, bytes = 0 } = file
    const begin = stdout.indexOf('\n', at) + 1
    if (begin === 0 || !stdout.toString('latin1', at, begin).startsWith(`${id} blob`)) break
    const [, oid, size] = pointer.exec(stdout.toString('latin1', begin, begin + bytes)) ?? []
    if (oid !== undefined) pointers.push({ file, oid, bytes: Number(size) })
    at = begin + bytes + 1
  }
  return pointers
}
