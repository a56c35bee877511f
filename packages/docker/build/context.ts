import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { checkDockerfile } from './dockerfile.ts'
import { type Folder, listFolder, openFile, openFolder, readInside } from './folder.ts'
import { type IgnoreRules, ignoreRules } from './ignore-file.ts'

/** A build context, ready to be asked for. */
export interface BuildContext {
  /** In the order in which a tree is walked: a folder before what is in it. */
  entries: readonly ContextEntry[]
  /** The Dockerfile's path among them. */
  dockerfile: string
  bytes: number
  /** The content of a file. @throws when it is not the file that was listed */
  read(entry: ContextEntry): AsyncGenerator<Buffer>
  /** Holds a folder open until then. */
  close(): Promise<void>
}
/** A build context on its way. */
export interface PackingContext {
  /** The Dockerfile's path in it. */
  dockerfile: string
  packed: Promise<Outcome<BuildContext>>
}
export interface ContextEntry {
  path: string
  kind: 'file' | 'folder' | 'link'
  size: number
  mode: number
  link: string
  /** Nanoseconds, made from the content: equal for equal content, and different for different content. */
  time: number
}
type Entry = Omit<ContextEntry, 'time'>

const maxDockerfileKb = 1024

/**
 * Lists `subfolder` of `folder` as a build context. Nothing outside is read: links are told as links and never followed,
 * also when the tree is changed under our hands. `.dockerignore` (or `<Dockerfile>.dockerignore`) is honoured. What is told depends on the content
 * alone (sorted, times by content, one owner, modes 644 and 755), so that the builder's cache holds. `dockerfile` is relative to
 * the subfolder. The Dockerfile is in the context even when it is ignored. `without` has more patterns of what is ignored.
 * @param contentId names the content of a file, where that is known; else it is read
 */
export async function packContext(options: {
  folder: string
  subfolder: string
  dockerfile: string
  maxMb: number
  maxFiles: number
  without?: string[]
  contentId?: (path: string) => string | undefined
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
    const known = withDockerfile(found.value, dockerfile, content.length)
    const idOf = async (entry: Entry) => {
      if (entry.path === dockerfile) return hashed(pieces(content))
      return options.contentId?.(entry.path) ?? hashed(readFile(root, entry))
    }
    const entries: ContextEntry[] = []
    for (const entry of known) entries.push({ ...entry, time: entry.kind === 'file' ? timeOf(await idOf(entry)) : 0 })
    return done({
      entries,
      dockerfile,
      bytes: entries.reduce((sum, entry) => sum + entry.size, 0),
      read: (entry) => (entry.path === dockerfile ? pieces(content) : readFile(root, entry)),
      close: () => root.handle.close(),
    })
  } catch (error) {
    await root.handle.close()
    throw error
  }
}

async function closed<T>(root: Folder, result: T): Promise<T> {
  await root.handle.close()
  return result
}

async function readIgnore(root: Folder, dockerfile: string, without: string[] = []): Promise<Outcome<IgnoreRules>> {
  for (const name of [`${dockerfile}.dockerignore`, '.dockerignore']) {
    const text = await readInside(root, name, maxDockerfileKb)
    if (!text.ok && text.reason.code !== 'file_not_found') return text
    if (!text.ok) continue
    const lines = text.value
      .toString('utf8')
      .replace(/^\ufeff/, '')
      .split(/\r?\n/)
    return done(ignoreRules([...lines, ...without]))
  }
  return done(ignoreRules(without))
}

async function collect(
  root: Folder,
  filter: IgnoreRules,
  limits: { bytes: number; files: number; maxMb: number },
): Promise<Outcome<Entry[]>> {
  const entries: Entry[] = []
  let bytes = 0
  for await (const found of listFolder(root, (path) => filter.hasExceptions || !filter.ignores(path))) {
    if (found.kind === 'special')
      return refuse('option_not_allowed', { option: `special file ${found.path} in the build context` })
    const isIgnored = filter.ignores(found.path)
    if (isIgnored === undefined)
      return refuse('option_not_allowed', { option: 'a .dockerignore that takes so long to match' })
    if (isIgnored) continue
    bytes += found.size
    entries.push({ ...found, kind: found.kind })
    if (bytes > limits.bytes) return refuse('build_context_too_large', { limit: `${limits.maxMb} MB` })
    if (entries.length > limits.files) return refuse('build_context_too_large', { limit: `${limits.files} files` })
  }
  return done(entries)
}

/** With the Dockerfile, and the folders above what is there, in the order of a walk. */
function withDockerfile(entries: Entry[], path: string, size: number): Entry[] {
  const all = new Map(entries.map((entry) => [entry.path, entry]))
  all.set(path, { path, kind: 'file', size, mode: 0o644, link: '' })
  for (const entry of [...all.values()])
    for (let above = posix.dirname(entry.path); above !== '.' && !all.has(above); above = posix.dirname(above))
      all.set(above, { path: above, kind: 'folder', size: 0, mode: 0o755, link: '' })
  // Names are compared part by part, byte by byte.
  const key = ({ path }: Entry) => Buffer.from(path.replaceAll('/', '\0'))
  return [...all.values()]
    .map((entry) => ({ entry, key: key(entry) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ entry }) => entry)
}

async function hashed(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

/** Forty bits of what names the content, as some minutes after the epoch: one moment for people, and another for other content. */
const timeOf = (contentId: string): number => Number.parseInt(contentId.slice(0, 10), 16)

async function* pieces(content: Buffer): AsyncGenerator<Buffer> {
  yield content
}

const pieceBytes = 128 * 1024

async function* readFile(root: Folder, entry: Entry): AsyncGenerator<Buffer> {
  const changed = (what: string) => new Error(`the build context changed while it was read: ${what}`)
  const file = await openFile(root, entry.path)
  if (!file.ok) throw changed(file.reason.message)
  try {
    // A file that grew meanwhile is cut.
    for (let at = 0; at < entry.size; ) {
      const piece = Buffer.allocUnsafe(Math.min(pieceBytes, entry.size - at))
      const { bytesRead } = await file.value.read(piece, 0, piece.length, at)
      if (bytesRead === 0) throw changed(`${entry.path} has become shorter`)
      yield piece.subarray(0, bytesRead)
      at += bytesRead
    }
  } finally {
    await file.value.close()
  }
}
