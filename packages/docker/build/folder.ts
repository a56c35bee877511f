import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { bytesOf, nameOf } from './names.ts'

/** An open folder. Paths in it are opened part by part, so that no link is followed even if the tree changes meanwhile. */
export interface Folder {
  handle: FileHandle
  path: string
}
/** What a folder holds: links with their text, sizes in bytes, modes normalised to 644 and 755, times in ms since the epoch. */
export interface Found {
  path: string
  kind: 'file' | 'folder' | 'link' | 'special'
  size: number
  mode: number
  link: string
  timeMs: number
}

const folderFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
// Without O_NONBLOCK, opening a named pipe would wait for a writer.
const fileFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** The path of an entry of an open folder: on Linux through the descriptor, which is openat(2) in all but name. */
function entryPath(folder: Folder, name: string): string | Buffer {
  const path = process.platform === 'linux' ? `/proc/self/fd/${folder.handle.fd}/${name}` : join(folder.path, name)
  return path.isWellFormed() ? path : bytesOf(path)
}
/** Where a link leads; undefined when it is none. */
const linkAt = async (folder: Folder, name: string): Promise<string | undefined> => {
  const link = await readlink(entryPath(folder, name), 'buffer').catch(() => undefined)
  return link && nameOf(link)
}

/** Is it a relative path that stays inside? */
const isInside = (path: string): boolean =>
  path !== '' && !path.startsWith('/') && !posix.normalize(path).split('/').includes('..')
const parts = (path: string): string[] =>
  posix
    .normalize(path)
    .split('/')
    .filter((part) => part !== '' && part !== '.')

/** As the kernel counts them (path_resolution(7)). */
const mostLinks = 40

/**
 * Where a path leads when the links on its way are followed: a path without any. Refused when one leads out. What is opened by it
 * is opened without following links, so a tree that changes meanwhile gains nothing.
 */
export async function followInside(root: Folder, path: string): Promise<Outcome<string>> {
  if (path.includes('\0')) return refuse('file_not_found', { path: path.replaceAll('\0', '?') })
  if (!isInside(path)) return refuse('path_outside_repo', { path })
  const ahead = parts(path)
  const at: string[] = []
  let links = 0
  for (let name = ahead.shift(); name !== undefined; name = ahead.shift()) {
    if (name === '' || name === '.') continue
    if (name === '..') {
      if (at.pop() === undefined) return refuse('path_outside_repo', { path })
      continue
    }
    const link = await linkAt(root, [...at, name].join('/'))
    if (link === undefined) {
      at.push(name)
      continue
    }
    if (link.startsWith('/')) return refuse('path_outside_repo', { path: `${path} -> ${link}` })
    if (++links > mostLinks) return refuse('file_not_found', { path })
    ahead.unshift(...link.split('/'))
  }
  return done(at.join('/') || '.')
}

/** Opens `subfolder` of `folder`, without following a link on the way. Close the handle of the result. */
export async function openFolder(folder: string, subfolder: string): Promise<Outcome<Folder>> {
  if (!isInside(subfolder)) return refuse('path_outside_repo', { path: subfolder })
  const root = { handle: await open(folder, constants.O_RDONLY | constants.O_DIRECTORY), path: folder }
  return descend(root, parts(subfolder), subfolder)
}

/** Opens a folder below, part by part; closes the one it came from. */
async function descend(from: Folder, names: string[], asked: string): Promise<Outcome<Folder>> {
  let at = from
  for (const name of names) {
    const path = join(at.path, name)
    const handle = await open(entryPath(at, name), folderFlags).catch((error: NodeJS.ErrnoException) => error)
    if (handle instanceof Error) {
      const link = await linkAt(at, name)
      await at.handle.close()
      if (link !== undefined) return refuse('path_outside_repo', { path: `${asked} -> ${link}` })
      return notThere(handle, asked)
    }
    await at.handle.close()
    at = { handle, path }
  }
  return done(at)
}

function notThere(error: NodeJS.ErrnoException, path: string): Outcome<never> {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return refuse('file_not_found', { path })
  throw error
}

/** A second handle on the same folder. */
const reopen = async (root: Folder): Promise<Folder> => ({
  handle: await open(entryPath(root, '.'), constants.O_RDONLY | constants.O_DIRECTORY),
  path: root.path,
})

/** Opens a file inside for reading; links and special files are refused. Close it. */
export async function openFile(root: Folder, path: string): Promise<Outcome<FileHandle>> {
  if (!isInside(path)) return refuse('path_outside_repo', { path })
  const names = parts(path)
  const name = names.pop() ?? '.'
  const folder = await descend(await reopen(root), names, path)
  if (!folder.ok) return folder
  try {
    const link = await linkAt(folder.value, name)
    if (link !== undefined) return refuse('path_outside_repo', { path: `${path} -> ${link}` })
    const file = await open(entryPath(folder.value, name), fileFlags).catch((error: NodeJS.ErrnoException) => error)
    if (file instanceof Error) return notThere(file, path)
    if ((await file.stat()).isFile()) return done(file)
    await file.close()
    return refuse('file_not_found', { path })
  } finally {
    await folder.value.handle.close()
  }
}

/** Reads a file inside, of at most `limitKb` KB. A link is followed as long as it stays inside. */
export async function readInside(
  root: Folder,
  path: string,
  limitKb: number,
): Promise<Outcome<{ content: Buffer; timeMs: number }>> {
  const real = await followInside(root, path)
  if (!real.ok) return real
  const file = await openFile(root, real.value)
  if (!file.ok) return file.reason.code === 'file_not_found' ? refuse('file_not_found', { path }) : file
  try {
    const { size, mtimeMs } = await file.value.stat()
    if (size > limitKb * 1024) return refuse('file_too_large', { path, limitKb })
    return done({ content: await file.value.readFile(), timeMs: Math.round(mtimeMs) })
  } finally {
    await file.value.close()
  }
}

/** Everything below the folder, in no particular order; `enter` says which folders are looked into. */
export async function* listFolder(root: Folder, enter: (path: string) => boolean): AsyncGenerator<Found> {
  const waiting = ['']
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const folder = await descend(await reopen(root), parts(path), path)
    if (!folder.ok) continue
    try {
      const at = folder.value
      const names = (await readdir(entryPath(at, '.'), { encoding: 'buffer' })).map(nameOf)
      for (const found of await Promise.all(
        names.map((name) => look(at, name, path === '' ? name : `${path}/${name}`)),
      )) {
        if (found.kind === 'folder' && enter(found.path)) waiting.push(found.path)
        yield found
      }
    } finally {
      await folder.value.handle.close()
    }
  }
}

async function look(folder: Folder, name: string, path: string): Promise<Found> {
  const stats = await lstat(entryPath(folder, name))
  const kind = kindOf(stats)
  const link = kind === 'link' ? ((await linkAt(folder, name)) ?? '') : ''
  const mode = kind === 'folder' || (stats.mode & 0o111) !== 0 ? 0o755 : 0o644
  return { path, kind, size: kind === 'file' ? stats.size : 0, mode, link, timeMs: Math.round(stats.mtimeMs) }
}

function kindOf(stats: Stats): Found['kind'] {
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'folder'
  return stats.isSymbolicLink() ? 'link' : 'special'
}
