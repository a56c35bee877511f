import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sha } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { git } from './git.ts'
import type { Mirror } from './mirror.ts'

const localMs = 5 * 60_000

/** A path within a repository, normalised; refused when it is absolute, climbs out, or has characters no path needs. */
export function parseRepoPath(text: string): Outcome<string> {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  const isBad =
    text.startsWith('/') ||
    /[\\\p{Cc}]/u.test(text) ||
    parts.includes('..') ||
    parts.some((part) => part.toLowerCase() === '.git')
  return isBad ? refuse('path_outside_repo', { path: text.slice(0, 200) }) : done(parts.join('/') || '.')
}

/** Paths of all files of a commit, links and submodules included. */
export async function listTree(mirror: Mirror, sha: Sha, { signal }: { signal?: AbortSignal } = {}): Promise<string[]> {
  const listed = await git(['ls-tree', '-r', '-z', '--name-only', '--end-of-options', sha], {
    folder: mirror.folder,
    deadlineMs: localMs,
    ...(signal ? { signal } : {}),
  })
  if (listed.exitCode !== 0) throw new Error(`ls-tree failed: ${listed.stderr}`)
  return listed.stdout.toString().split('\0').filter(Boolean)
}

/** A file's bytes straight from the objects. A link, a folder or a submodule is no file: links are never followed. */
export async function readBlob(
  mirror: Mirror,
  sha: Sha,
  path: string,
  { maxBytes, signal }: { maxBytes: number; signal?: AbortSignal },
): Promise<Outcome<Buffer>> {
  const parsed = parseRepoPath(path)
  if (!parsed.ok) return parsed
  const call = { folder: mirror.folder, deadlineMs: localMs, ...(signal ? { signal } : {}) }
  const listed = await git(['ls-tree', '-l', '-z', '--end-of-options', sha, '--', parsed.value], call)
  const found = /^(\d{6}) (\w+) ([0-9a-f]+)\s+(\S+)\t/.exec(listed.stdout.toString())
  if (!found) return refuse('file_not_found', { path })
  const [, mode, type, object, size] = found
  if (mode === '120000') return refuse('path_outside_repo', { path: `${path} is a link, which` })
  if (type !== 'blob' || !object) return refuse('file_not_found', { path })
  if (Number(size) > maxBytes) return refuse('file_too_large', { path, limitKb: maxBytes / 1024 })
  const read = await git(['cat-file', 'blob', object], { ...call, maxBytes: maxBytes + 1024 })
  return read.exitCode === 0 ? done(read.stdout) : refuse('file_not_found', { path })
}

/**
 * Lays the files of a commit out in a new folder. No hooks run and no filters are configured; submodules stay empty; links are
 * written as links, for the packer of the build context to keep or refuse.
 */
export async function exportTree(
  mirror: Mirror,
  sha: Sha,
  folder: string,
  { maxFiles, maxMb, signal }: { maxFiles: number; maxMb: number; signal?: AbortSignal },
): Promise<Outcome<void>> {
  const call = { folder: mirror.folder, deadlineMs: localMs, ...(signal ? { signal } : {}) }
  const listed = await git(['ls-tree', '-r', '-l', '-z', '--end-of-options', sha], call)
  if (listed.exitCode !== 0) throw new Error(`ls-tree failed: ${listed.stderr}`)
  const entries = listed.stdout.toString().split('\0').filter(Boolean)
  const bytes = entries.reduce((sum, entry) => sum + (Number(/^\S+ \S+ \S+\s+(\d+)/.exec(entry)?.[1]) || 0), 0)
  if (entries.length > maxFiles || bytes > maxMb * 2 ** 20) return refuse('clone_too_large', { limitMb: maxMb })
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const environment = { GIT_INDEX_FILE: `${folder}.index`, GIT_WORK_TREE: folder, GIT_DIR: mirror.folder }
  try {
    const read = await git(['read-tree', '--end-of-options', sha], { ...call, folder, environment })
    if (read.exitCode !== 0) throw new Error(`read-tree failed: ${read.stderr}`)
    const written = await git(['checkout-index', '--all', '--force', '--quiet', `--prefix=${join(folder, '/')}`], {
      ...call,
      folder,
      environment,
    })
    if (written.exitCode === 0) return done(undefined)
    if (/No space left/i.test(written.stderr)) return refuse('disk_full', { where: 'the builder' })
    throw new Error(`checkout-index failed: ${written.stderr}`)
  } finally {
    await rm(`${folder}.index`, { force: true })
  }
}
