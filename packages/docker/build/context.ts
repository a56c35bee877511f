import { posix } from 'node:path'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { checkDockerfile } from './dockerfile.ts'
import { type Folder, followInside, listFolder, openFile, openFolder, readInside } from './folder.ts'
import { type IgnoreRules, ignoreRules } from './ignore-file.ts'
import { bytesOf } from './names.ts'

/** A build context, ready to be asked for. */
export interface BuildContext {
  /** In the order in which a tree is walked: a folder before what is in it. */
  entries: readonly ContextEntry[]
  /** What is built: it may be left out of the context, or be somewhere else. */
  dockerfile: ContextEntry
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
  /** Name of the Dockerfile, see `dockerfileName`. */
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
 * Lists `subfolder` of `folder` as a build context. Nothing outside of the folder is read: what the tree holds as links is told as links,
 * also when the tree is changed under our hands. `.dockerignore` (or `<Dockerfile>.dockerignore`) is honoured. What is told depends on content
 * and times alone (sorted, one owner, modes 644 and 755). `dockerfile` is relative to the subfolder or, if nothing is there, to the folder;
 * it and the subfolder may be links that stay inside. `without` has more patterns of what is ignored.
 * @param timeMsOf the time of a file or link, by its path in the folder, that has another than the file system says
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
  const whole = await openFolder(options.folder, '.')
  if (!whole.ok) return whole
  try {
    const subfolder = await followInside(whole.value, options.subfolder)
    if (!subfolder.ok) return subfolder
    const found = await findDockerfile(whole.value, subfolder.value, options.dockerfile)
    if (!found.ok) return found
    const filter = await readIgnore(
      whole.value,
      [`${found.value.path}.dockerignore`, posix.join(subfolder.value, '.dockerignore')],
      options.without,
    )
    if (!filter.ok) return filter
    const root = await openFolder(options.folder, subfolder.value)
    if (!root.ok) return root
    const timeMsOf = (path: string) => options.timeMsOf?.(path)
    return await packFolder(root.value, {
      ...options,
      filter: filter.value,
      timeMsOf: (path) => timeMsOf(posix.join(subfolder.value, path)),
      dockerfile: { ...found.value, timeMs: timeMsOf(found.value.path) ?? found.value.timeMs },
    })
  } finally {
    await whole.value.handle.close()
  }
}

/** What the Dockerfile is called where BuildKit asks for it. */
export const dockerfileName = (path: string): string => posix.basename(path)

interface Dockerfile {
  path: string
  content: Buffer
  timeMs: number
}

/** Reads and checks the Dockerfile: in the context, or else where the path leads from the top. */
async function findDockerfile(whole: Folder, subfolder: string, dockerfile: string): Promise<Outcome<Dockerfile>> {
  if (dockerfile.startsWith('/')) return refuse('path_outside_repo', { path: dockerfile })
  const path = posix.join(subfolder, dockerfile)
  let text = await readInside(whole, path, maxDockerfileKb)
  let at = path
  if (!text.ok && text.reason.code === 'file_not_found' && subfolder !== '.') {
    const fromTop = await readInside(whole, posix.normalize(dockerfile), maxDockerfileKb)
    if (fromTop.ok) [text, at] = [fromTop, posix.normalize(dockerfile)]
  }
  if (!text.ok) return text.reason.code === 'file_not_found' ? notFound(whole, path) : text
  const words = text.value.content.toString('utf8')
  const checked = checkDockerfile(words)
  if (!checked.ok) return checked
  const content = checked.value === words ? text.value.content : Buffer.from(checked.value)
  return done({ path: at, content, timeMs: text.value.timeMs })
}

/** Names what other tools take for a Dockerfile, too, if one lies in its place. */
async function notFound(whole: Folder, path: string): Promise<Outcome<never>> {
  for (const name of ['Containerfile', 'dockerfile']) {
    const near = await readInside(whole, posix.join(posix.dirname(path), name), maxDockerfileKb)
    if (near.ok) return refuse('file_not_found', { path: `${path} (there is a ${name}: name it with dockerfile)` })
  }
  return refuse('file_not_found', { path })
}

/** Holds the folder open, or closes it when it can't be packed. */
async function packFolder(
  root: Folder,
  order: {
    filter: IgnoreRules
    maxMb: number
    maxFiles: number
    timeMsOf(path: string): number | undefined
    dockerfile: Dockerfile
  },
): Promise<Outcome<BuildContext>> {
  try {
    const limits = { bytes: order.maxMb * 1024 * 1024, files: order.maxFiles, maxMb: order.maxMb }
    const found = await collect(root, order.filter, limits)
    if (!found.ok) return await closed(root, found)
    const entries = inOrder(
      found.value.map((entry) => ({ ...entry, timeMs: order.timeMsOf(entry.path) ?? entry.timeMs })),
    )
    const { path, content, timeMs } = order.dockerfile
    const plain = { kind: 'file', mode: 0o644, link: '' } as const
    const dockerfile: ContextEntry = { ...plain, path: dockerfileName(path), size: content.length, timeMs }
    return done({
      entries,
      dockerfile,
      text: content.toString('utf8'),
      bytes: entries.reduce((sum, entry) => sum + entry.size, content.length),
      read: (entry) => (entry === dockerfile ? pieces(content) : readFile(root, entry)),
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

/** The rules of the first of these files that is there. */
async function readIgnore(root: Folder, names: string[], without: string[] = []): Promise<Outcome<IgnoreRules>> {
  for (const name of names) {
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

/** With the folders above what is there, in the order of a walk. */
function inOrder(entries: ContextEntry[]): ContextEntry[] {
  const all = new Map(entries.map((entry) => [entry.path, entry]))
  const folders = new Map<string, number>()
  for (const { path: below, kind, timeMs } of all.values())
    if (kind !== 'folder')
      for (let above = posix.dirname(below); above !== '.'; above = posix.dirname(above))
        folders.set(above, Math.max(folders.get(above) ?? 0, timeMs))
  for (const [above, timeMs] of folders)
    all.set(above, { path: above, kind: 'folder', size: 0, mode: 0o755, link: '', timeMs })
  // Names are compared part by part, byte by byte.
  const key = ({ path }: ContextEntry) => bytesOf(path.replaceAll('/', '\0'))
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
