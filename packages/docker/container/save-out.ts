import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { type Pack, pack } from 'tar-stream'
import type { Engine } from '../engine/engine.ts'
import { type CopiedEntry, copyOut } from './copy-out.ts'

/** What is taken out of which container, into which file. */
export interface SaveOrder {
  id: string
  path: string
  /** The file that is made; there must be none yet. */
  to: string
  maxBytes: number
  maxFiles: number
  signal: AbortSignal
  deadlineMs: number
}
/** What became of it; `leftOut` counts links and special files of a folder. */
export type Saved =
  | { kind: 'file' | 'folder'; bytes: number; leftOut: number }
  | { kind: 'missing' | 'irregular' | 'too_large' | 'too_many' }

/**
 * Saves a file of a container that has ended as it is, or a folder as a gzipped archive of the regular files in it. Links are never
 * followed. What is refused leaves no file.
 */
export async function saveOut(engine: Engine, order: SaveOrder): Promise<Outcome<Saved>> {
  let saving: Saving | undefined
  let found: Saved = { kind: 'missing' }
  const refuseAs = (kind: 'irregular' | 'too_large' | 'too_many'): 'enough' => {
    found = { kind }
    return 'enough'
  }
  const counts = { bytes: 0, files: 0, leftOut: 0 }
  try {
    const copied = await copyOut(engine, order, async (entry) => {
      if (!saving && entry.kind === 'other') return refuseAs('irregular')
      saving ??= begin(order.to, entry.kind === 'folder')
      if (entry.kind === 'folder') return 'on'
      if (entry.kind === 'other') {
        counts.leftOut += 1
        return 'on'
      }
      counts.bytes += entry.size
      counts.files += 1
      if (counts.bytes > order.maxBytes) return refuseAs('too_large')
      if (counts.files > order.maxFiles) return refuseAs('too_many')
      await saving.add(entry)
      return 'on'
    })
    if (!copied.ok) return copied
    if (!saving || found.kind !== 'missing') return done(found)
    await saving.end()
    const { size } = await stat(order.to)
    saving.isDone = true
    return done({ kind: saving.isFolder ? 'folder' : 'file', bytes: size, leftOut: counts.leftOut })
  } finally {
    if (saving && !saving.isDone) {
      await saving.destroy()
      await rm(order.to, { force: true })
    }
  }
}

interface Saving {
  isFolder: boolean
  isDone: boolean
  add(entry: CopiedEntry): Promise<void>
  end(): Promise<void>
  /** Resolves when the file is closed: one that is still being opened would come after its removal. */
  destroy(): Promise<void>
}

function begin(to: string, isFolder: boolean): Saving {
  const file = createWriteStream(to, { flags: 'wx', mode: 0o600 })
  const written = finished(file)
  written.catch(() => undefined)
  const archive = isFolder ? pack() : undefined
  const zip = archive ? createGzip() : undefined
  if (archive && zip) {
    zip.once('error', (error) => file.destroy(error))
    ;(archive as unknown as Readable).pipe(zip).pipe(file)
  }
  const put = (entry: CopiedEntry): Promise<void> =>
    archive ? addTo(archive, entry) : pour(entry.content, file, written)
  return {
    isFolder,
    isDone: false,
    add: (entry) => Promise.race([put(entry), written.then(() => Promise.reject(new Error('the file was closed')))]),
    async end() {
      if (archive) archive.finalize()
      else file.end()
      await written
    },
    async destroy() {
      ;(archive as unknown as Readable | undefined)?.destroy()
      zip?.destroy()
      file.destroy()
      await written.catch(() => undefined)
    },
  }
}

/** Under a plain name and mode, owned by nobody in particular. */
async function addTo(archive: Pack, { path, size, content }: CopiedEntry): Promise<void> {
  const entry = archive.entry({ name: path, size, type: 'file', mode: 0o644 }) as unknown as Writable
  const closed = new Promise<void>((resolve, reject) => {
    entry.once('close', () => resolve())
    entry.once('error', reject)
  })
  for await (const chunk of content) if (!entry.write(chunk)) await Promise.race([once(entry, 'drain'), closed])
  entry.end()
  await closed
}

async function pour(content: Readable, file: Writable, written: Promise<void>): Promise<void> {
  for await (const chunk of content) if (!file.write(chunk)) await Promise.race([once(file, 'drain'), written])
}
