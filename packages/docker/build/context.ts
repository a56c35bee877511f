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
  /** What that says. */
  text: string
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
  /** Since when it holds what it holds, in ms since the epoch; of a folder, the latest of what is in it. */
  timeMs: number
}

const maxDockerfileKb = 1024

/**
 * Lists `subfolder` of `folder` as a build context. Nothing outside is read: links are told as links and never followed,
 * also when the tree is changed under our hands. `.dockerignore` (or `<Dockerfile>.dockerignore`) is honoured. What is told depends on content
 * and times alone (sorted, one owner, modes 644 and 755). `dockerfile` is relative to
 * the subfolder. The Dockerfile is in the context even when it is ignored. `without` has more patterns of what is ignored.
 * @param timeMsOf the time of a file or link that has another than the file system says
 */
export async function packContext(options: {
  folder: string
  subfolder: string
  dockerfile: string
  maxMb: number
  maxFiles: number
  without?: string[]
  timeMsOf?: (path: string) => number | undefined
}): Promise<Outcome<BuildContext>> {
  const dockerfile = posix.normalize(options.dockerfile)
  const opened = await openFolder(options.folder, options.subfolder)
  if (!opened.ok) return opened
  const root = opened.value
  try {
    const text = await readInside(root, dockerfile, maxDockerfileKb)
    if (!text.ok) return await closed(root, text)
    const words = text.value.content.toString('utf8')
    const checked = checkDockerfile(words)
    if (!checked.ok) return await closed(root, checked)
    const content = checked.value === words ? text.value.content : Buffer.from(checked.value)
    const filter = await readIgnore(root, dockerfile, options.without)
    if (!filter.ok) return await closed(root, filter)
    const limits = { bytes: options.maxMb * 1024 * 1024, files: options.maxFiles, maxMb: options.maxMb }
    const found = await collect(root, filter.value, limits)
    if (!found.ok) return await closed(root, found)
    const own = found.value.map((entry) => ({ ...entry, timeMs: options.timeMsOf?.(entry.path) ?? entry.timeMs }))
    const known = { size: content.length, timeMs: options.timeMsOf?.(dockerfile) ?? text.value.timeMs }
    const entries = withDockerfile(own, dockerfile, known)
    return done({
      entries,
      dockerfile,
      text: checked.value,
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
    const lines = text.value.content
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
): Promise<Outcome<ContextEntry[]>> {
  const entries: ContextEntry[] = []
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
function withDockerfile(
  entries: ContextEntry[],
  path: string,
  dockerfile: Pick<ContextEntry, 'size' | 'timeMs'>,
): ContextEntry[] {
  const all = new Map(entries.map((entry) => [entry.path, entry]))
  all.set(path, { path, kind: 'file', mode: 0o644, link: '', ...dockerfile })
  const folders = new Map<string, number>()
  for (const { path: below, kind, timeMs } of all.values())
    if (kind !== 'folder')
      for (let above = posix.dirname(below); above !== '.'; above = posix.dirname(above))
        folders.set(above, Math.max(folders.get(above) ?? 0, timeMs))
  for (const [above, timeMs] of folders)
    all.set(above, { path: above, kind: 'folder', size: 0, mode: 0o755, link: '', timeMs })
  // Names are compared part by part, byte by byte.
  const key = ({ path }: ContextEntry) => Buffer.from(path.replaceAll('/', '\0'))
  return [...all.values()]
    .map((entry) => ({ entry, key: key(entry) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ entry }) => entry)
}

async function* pieces(content: Buffer): AsyncGenerator<Buffer> {
  yield content
}

const pieceBytes = 128 * 1024

async function* readFile(root: Folder, entry: ContextEntry): AsyncGenerator<Buffer> {
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
