import type { Readable } from 'node:stream'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { extract } from 'tar-stream'
import { callBack, type Engine, hasStatus, stream, within } from '../engine/engine.ts'

/** A thing in a container, as it comes out of it. */
export interface CopiedEntry {
  /** Below what was asked for, without a leading slash; empty for the thing itself. */
  path: string
  kind: 'file' | 'folder' | 'other'
  size: number
  /** Read it, or leave it: what is not read is skipped. */
  content: Readable
}
/**
 * Copies a file or a folder out of a container that has ended, entry by entry. Nothing is written anywhere: `onEntry` takes what it
 * wants, and the first entry is what was asked for itself. Links are not followed: they and special files are told as `other`.
 * @returns false when there is nothing. Refuses `path_outside_repo` for an entry whose name leads elsewhere.
 */
export async function copyOut(
  engine: Engine,
  { id, path, signal, deadlineMs }: { id: string; path: string; signal: AbortSignal; deadlineMs: number },
  onEntry: (entry: CopiedEntry) => Promise<'on' | 'enough'>,
): Promise<Outcome<boolean>> {
  const call = { method: 'GET', path: `/containers/${id}/archive?path=${encodeURIComponent(path)}` }
  try {
    return await within(deadlineMs, signal, async (abortSignal) => {
      const tar = await stream(engine, call, abortSignal)
      const entries = extract()
      tar.once('error', (error) => entries.destroy(error))
      tar.once('aborted', () => entries.destroy(new Error('docker stream ended early')))
      tar.pipe(entries)
      try {
        for await (const { header, resume, content } of withContent(entries)) {
          const inside = pathBelow(header.name)
          if (inside === undefined) return refuse('path_outside_repo', { path: header.name })
          const kind = header.type === 'directory' ? 'folder' : header.type === 'file' ? 'file' : 'other'
          let wish: 'on' | 'enough' = 'on'
          await callBack(async () => {
            wish = await onEntry({ path: inside, kind, size: header.size ?? 0, content })
          })
          resume()
          if ((wish as string) === 'enough') break
        }
        return done(true)
      } finally {
        tar.destroy()
        entries.destroy()
      }
    })
  } catch (error) {
    if (hasStatus(error, 404)) return done(false)
    throw error
  }
}

async function* withContent(entries: ReturnType<typeof extract>) {
  for await (const entry of entries) {
    const content = entry as unknown as Readable
    yield { header: entry.header, content, resume: () => void entry.resume() }
  }
}

/** The engine puts the last part of what was asked for before every name. */
function pathBelow(name: string): string | undefined {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0')) return undefined
  return parts.slice(1).join('/')
}
