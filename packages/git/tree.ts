import { mkdir, rm, stat } from 'node:fs/promises'
import type { Sha } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Mirror } from './fetch-order.ts'
import { type GitResult, git } from './git.ts'
import { remove } from './upkeep.ts'

const localMs = 5 * 60_000
const mostListBytes = 64 * 2 ** 20
/** What Linux takes, with room for the folder before it. */
const mostPathBytes = 3500
const mostNameBytes = 255
const mostPathCharacters = 4000

/**
 * A path within a repository, without `./`, doubled or trailing slashes; `.` is the repository itself. Refused when it is
 * absolute, climbs out, reaches for `.git`, or has characters no path needs.
 */
export function parseRepoPath(text: string): Outcome<string> {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  const isBad =
    text.length > mostPathCharacters ||
    text.startsWith('/') ||
    /[\\\p{Cc}]/u.test(text) ||
    parts.some((part) => part === '..' || part.toLowerCase() === '.git')
  return isBad ? refuse('path_outside_repo', { path: text.slice(0, 200) }) : done(parts.join('/') || '.')
}

/**
 * Paths of all files of a commit, links and submodules included. Of names beyond 64 MB in all the rest is missing:
 * `exportTree` refuses such a commit.
 */
export async function listTree(mirror: Mirror, sha: Sha, { signal }: { signal?: AbortSignal } = {}): Promise<string[]> {
  const listed = await git(['ls-tree', '-r', '-z', '--name-only', '--end-of-options', sha], callOf(mirror, signal))
  if (listed.exitCode !== 0 && !listed.tooLong) await fail(mirror, 'ls-tree', listed)
  return listed.stdout.toString().split('\0').filter(Boolean)
}

/** A file of a commit as git knows it. */
export interface TreeFile {
  path: string
  /** 100644, 100755, 120000 (a link) or 160000 (a submodule). */
  mode: string
  /** Object name of its content. */
  id: string
  /** Of a file. */
  bytes?: number
}

/**
 * A file's bytes straight from the objects. Links are followed by git itself while they stay in the commit
 * (git-scm.com/docs/git-cat-file, --follow-symlinks); one that leads out is refused.
 */
export async function readBlob(
  mirror: Mirror,
  sha: Sha,
  path: string,
  { maxBytes, signal }: { maxBytes: number; signal?: AbortSignal },
): Promise<Outcome<Buffer>> {
  const parsed = parseRepoPath(path)
  if (!parsed.ok) return parsed
  const read = await git(['cat-file', '--batch', '--follow-symlinks'], {
    ...callOf(mirror, signal),
    input: `${sha}:${parsed.value}\n`,
    maxBytes: maxBytes + 16 * 1024,
  })
  const end = read.stdout.indexOf('\n')
  const head = read.stdout.toString('utf8', 0, Math.max(end, 0))
  const content = read.stdout.subarray(end + 1)
  const link = /^symlink (\d+)$/.exec(head)
  if (link) return refuse('path_outside_repo', { path: `${path} -> ${content.toString('utf8', 0, Number(link[1]))}` })
  if (read.exitCode !== 0 && !read.tooLong) await fail(mirror, 'cat-file', read)
  const size = / blob (\d+)$/.exec(head)?.[1]
  if (size === undefined) return refuse('file_not_found', { path })
  if (Number(size) > maxBytes) return refuse('file_too_large', { path, limitKb: Math.floor(maxBytes / 1024) })
  return done(content.subarray(0, Number(size)))
}

/**
 * Lays the files of a commit out in a folder, by way of an index of its own beside it (`<folder>.index`). Where both are left of an
 * earlier commit, only what differs is written. No hooks run and no filters are configured, so
 * large-file pointers stay pointers; submodules stay empty; links are written as links, for the packer of the build context to
 * keep or refuse. Git itself refuses names that mean `.git` anywhere (core.protectHFS, core.protectNTFS).
 * @returns all files, with what they hold
 */
export async function exportTree(
  mirror: Mirror,
  sha: Sha,
  folder: string,
  { maxFiles, maxMb, signal }: { maxFiles: number; maxMb: number; signal?: AbortSignal },
): Promise<Outcome<TreeFile[]>> {
  const files = await listFiles(mirror, sha, { maxFiles, maxMb, ...(signal ? { signal } : {}) })
  if (!files.ok) return files
  const index = `${folder}.index`
  const environment = { GIT_INDEX_FILE: index, GIT_WORK_TREE: folder, GIT_DIR: mirror.folder }
  const call = { ...callOf({ folder }, signal), environment }
  if (await updateTree(call, index, sha)) return files
  await removeTree(folder, index)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const written = await writeTree(mirror, call, sha)
  if (written.ok) return files
  await removeTree(folder, index)
  return written
}

type Call = ReturnType<typeof callOf> & { environment: Record<string, string> }

async function removeTree(folder: string, index: string): Promise<void> {
  for (const path of [folder, index, `${index}.lock`]) await rm(path, { recursive: true, force: true })
}

/** From what is left of an earlier commit: every file is compared by its size, times and number with what git wrote. @returns false when that can't be done */
async function updateTree(call: Call, index: string, sha: Sha): Promise<boolean> {
  if (!(await stat(index).catch(() => undefined))) return false
  const updated = await git(['read-tree', '--reset', '-u', '--end-of-options', sha], call)
  return updated.exitCode === 0
}

async function writeTree(mirror: Mirror, call: Call, sha: Sha): Promise<Outcome<void>> {
  const read = await git(['read-tree', '--end-of-options', sha], call)
  const invalid = /invalid path '(.+)'/.exec(read.stderr)?.[1]
  if (invalid) return refuse('path_outside_repo', { path: invalid.slice(0, 200) })
  if (read.exitCode !== 0) return await fail(mirror, 'read-tree', read)
  const written = await git(['checkout-index', '--all', '--force', '--quiet', '--index'], call)
  if (written.exitCode === 0) return done(undefined)
  if (/No space left/i.test(written.stderr)) return refuse('disk_full', { where: 'the builder' })
  return await fail(mirror, 'checkout-index', written)
}

/** All files of a commit, if they fit. Sizes come from the headers of the objects, so a file that unpacks to gigabytes is found before it is unpacked. */
async function listFiles(
  mirror: Mirror,
  sha: Sha,
  { maxFiles, maxMb, signal }: { maxFiles: number; maxMb: number; signal?: AbortSignal },
): Promise<Outcome<TreeFile[]>> {
  const call = { ...callOf(mirror, signal), maxBytes: 2 * mostListBytes }
  const listed = await git(['ls-tree', '-r', '-l', '-z', '--end-of-options', sha], call)
  if (listed.tooLong) return refuse('clone_too_large', { limit: `${maxFiles} files` })
  if (listed.exitCode !== 0) await fail(mirror, 'ls-tree', listed)
  const entries = listed.stdout.toString().split('\0').filter(Boolean)
  if (entries.length > maxFiles) return refuse('clone_too_large', { limit: `${maxFiles} files` })
  const files: TreeFile[] = []
  let bytes = 0
  for (const entry of entries) {
    const tab = entry.indexOf('\t')
    const [mode = '', , id = '', size] = entry.slice(0, tab).split(/ +/)
    const path = entry.slice(tab + 1)
    bytes += Number(size) || 0
    if (Buffer.byteLength(path) > mostPathBytes)
      return refuse('clone_too_large', { limit: `a path of ${mostPathBytes} bytes` })
    if (path.split('/').some((name) => Buffer.byteLength(name) > mostNameBytes))
      return refuse('clone_too_large', { limit: `a file name of ${mostNameBytes} bytes` })
    files.push({ path, mode, id, bytes: Number(size) || 0 })
  }
  return bytes > maxMb * 2 ** 20 ? refuse('clone_too_large', { limitMb: maxMb }) : done(files)
}

const callOf = ({ folder }: Mirror, signal: AbortSignal | undefined) => ({
  folder,
  deadlineMs: localMs,
  ...(signal ? { signal } : {}),
})

/** Nobody expects this. If the mirror is what is broken, it goes, so that the next try fetches anew. */
async function fail(mirror: Mirror, what: string, { stderr }: GitResult): Promise<never> {
  if (/corrupt|unable to (read|unpack|open|mmap)|missing|bad object|cannot be accessed|inflate/i.test(stderr))
    await remove(mirror.folder)
  throw new Error(`${what} failed: ${stderr.slice(0, 2000)}`)
}
