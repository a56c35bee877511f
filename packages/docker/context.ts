import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import ignore, { type Ignore } from '@balena/dockerignore'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { pack } from 'tar-stream'
import { checkDockerfile } from './dockerfile.ts'
import { type Folder, listFolder, openFile, openFolder, readInside } from './folder.ts'

/** A build context, ready to be sent. */
export interface BuildContext {
  /** The tar. Read it, or destroy it: it holds a folder open until then. */
  stream: Readable
  /** The Dockerfile's path in the tar. */
  dockerfile: string
  bytes: number
  files: number
}
interface Entry {
  path: string
  kind: 'file' | 'folder' | 'link'
  size: number
  mode: number
  link: string
}

const maxDockerfileKb = 1024

/**
 * Packs `subfolder` of `folder` as a build context. Nothing outside is read: links are packed as links and never followed,
 * also when the tree is changed under our hands. `.dockerignore` (or `<Dockerfile>.dockerignore`) is honoured. The bytes depend on the content
 * alone (sorted, one time, one owner, modes 644 and 755), so that the builder's cache holds. `dockerfile` is relative to
 * the subfolder. The Dockerfile is in the context even when it is ignored. `without` has more patterns of what is ignored.
 */
export async function packContext(options: {
  folder: string
  subfolder: string
  dockerfile: string
  maxMb: number
  maxFiles: number
  without?: string[]
}): Promise<Outcome<BuildContext>> {
  const dockerfile = posix.normalize(options.dockerfile)
  const opened = await openFolder(options.folder, options.subfolder)
  if (!opened.ok) return opened
  const root = opened.value
  try {
    const text = await readInside(root, dockerfile, maxDockerfileKb)
    if (!text.ok) return await closed(root, text)
    const checked = checkDockerfile(text.value.toString('utf8'))
    if (!checked.ok) return await closed(root, checked)
    const content = checked.value === text.value.toString('utf8') ? text.value : Buffer.from(checked.value)
    const filter = await readIgnore(root, dockerfile, options.without)
    if (!filter.ok) return await closed(root, filter)
    const limits = { bytes: options.maxMb * 1024 * 1024, files: options.maxFiles, maxMb: options.maxMb }
    const found = await collect(root, filter.value, limits)
    if (!found.ok) return await closed(root, found)
    const entries = withDockerfile(found.value, dockerfile, content.length)
    const stream = packEntries(root, entries, new Map([[dockerfile, content]]))
    const bytes = entries.reduce((sum, entry) => sum + entry.size, 0)
    return done({ stream, dockerfile, bytes, files: entries.length })
  } catch (error) {
    await root.handle.close()
    throw error
  }
}

async function closed<T>(root: Folder, result: T): Promise<T> {
  await root.handle.close()
  return result
}

interface Filter {
  rules: Ignore
  /** With exceptions (`!a/b`), ignored folders must be looked into, too. */
  hasExceptions: boolean
}

async function readIgnore(
  root: Folder,
  dockerfile: string,
  without: string[] = [],
): Promise<Outcome<Filter | undefined>> {
  for (const name of [`${dockerfile}.dockerignore`, '.dockerignore']) {
    const text = await readInside(root, name, maxDockerfileKb)
    if (!text.ok && text.reason.code !== 'file_not_found') return text
    if (!text.ok) continue
    const lines = text.value
      .toString('utf8')
      .replace(/^\ufeff/, '')
      .split(/\r?\n/)
    return done({
      rules: ignore.default().add([...lines, ...without]),
      hasExceptions: lines.some((line) => line.trim().startsWith('!')),
    })
  }
  return done(without.length > 0 ? { rules: ignore.default().add(without), hasExceptions: false } : undefined)
}

async function collect(
  root: Folder,
  filter: Filter | undefined,
  limits: { bytes: number; files: number; maxMb: number },
): Promise<Outcome<Entry[]>> {
  const entries: Entry[] = []
  let bytes = 0
  for await (const found of listFolder(
    root,
    (path) => !filter || filter.hasExceptions || !filter.rules.ignores(path),
  )) {
    if (found.kind === 'special')
      return refuse('option_not_allowed', { option: `special file ${found.path} in the build context` })
    if (filter?.rules.ignores(found.path)) continue
    bytes += found.size
    entries.push({ ...found, kind: found.kind })
    if (bytes > limits.bytes) return refuse('build_context_too_large', { limit: `${limits.maxMb} MB` })
    if (entries.length > limits.files) return refuse('build_context_too_large', { limit: `${limits.files} files` })
  }
  return done(entries.sort((a, b) => (a.path < b.path ? -1 : 1)))
}

function withDockerfile(entries: Entry[], path: string, size: number): Entry[] {
  const own: Entry = { path, kind: 'file', size, mode: 0o644, link: '' }
  const others = entries.filter((entry) => entry.path !== path)
  return [...others, own].sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** One moment for all files: the builder's cache ignores times, and no clock shows in the bytes. */
const mtime = new Date(0)

function packEntries(root: Folder, entries: Entry[], contents: ReadonlyMap<string, Buffer>): Readable {
  const tar = pack()
  // Whoever reads hears of it; until somebody does, it must not be an unhandled error.
  tar.on('error', () => undefined)
  const write = async () => {
    for (const entry of entries) {
      const header = { name: entry.path, mode: entry.mode, mtime, uid: 0, gid: 0 }
      const content = contents.get(entry.path)
      if (content) tar.entry(header, content)
      else if (entry.kind === 'folder') tar.entry({ ...header, type: 'directory' })
      else if (entry.kind === 'link') tar.entry({ ...header, type: 'symlink', linkname: entry.link })
      else await packFile(root, entry, tar.entry({ ...header, type: 'file', size: entry.size }))
      if (tar.destroyed) return
    }
    tar.finalize()
  }
  write()
    .catch((error: Error) => tar.destroy(error))
    .finally(() => root.handle.close())
  return tar as unknown as Readable
}

async function packFile(root: Folder, entry: Entry, into: NodeJS.WritableStream): Promise<void> {
  // When the tar is given up, its entry tells so, too: who reads the tar has heard of it.
  into.on('error', () => undefined)
  const file = await openFile(root, entry.path)
  if (!file.ok) throw new Error(`the build context changed while it was read: ${file.reason.message}`)
  try {
    // `end` is inclusive; a file that grew meanwhile is cut, one that shrank makes the tar fail.
    if (entry.size === 0) into.end()
    else await pipeline(file.value.createReadStream({ start: 0, end: entry.size - 1, autoClose: false }), into)
  } finally {
    await file.value.close()
  }
}
