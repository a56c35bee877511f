import { createHash } from 'node:crypto'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { findOut, isGlob } from '@taxiway/docker/container/find-out.ts'
import { type Saved, saveOut } from '@taxiway/docker/container/save-out.ts'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { globMatcher } from '@taxiway/domain/glob.ts'
import type { RunId } from '@taxiway/domain/ids.ts'
import type { RunArtifact } from '@taxiway/domain/run/parts.ts'

export interface ArtifactOrder {
  /** A container that has ended. */
  container: string
  run: RunId
  test: string
  paths: string[]
  expiresAt: Date
  /** Folder of the artifacts of all runs. */
  folder: string
  /** What the run may still keep; taken from here. */
  left: { artifactBytes: number; artifacts: number }
  signal: AbortSignal
  note(text: string): void
}
/** What one run may keep. */
export const artifactLimits = { bytes: 500 * 2 ** 20, count: 200 } as const
const maxBytes = 100 * 2 ** 20
const maxFiles = 1000
const saveMs = 5 * 60_000
const mb = (bytes: number) => `${Math.floor(bytes / 2 ** 20)} MB`

const reasons: Record<Exclude<Saved['kind'], 'file' | 'folder'>, string> = {
  missing: 'there is none',
  irregular: 'it is a link or a special file',
  too_large: `it is larger than ${mb(maxBytes)}, or than what is left of ${mb(artifactLimits.bytes)} for the run`,
  too_many: `it holds more than ${maxFiles} files`,
}

/** The same path of the same test has the same id, so that a later try takes the place of an earlier one. */
const idOf = (run: RunId, test: string, path: string): string =>
  `art_${createHash('sha256')
    .update(JSON.stringify([run, test, path]))
    .digest('hex')
    .slice(0, 20)}`

/** Keeps files of a test in the data folder, one after another. What is not kept is noted. */
export async function* keepArtifacts(engine: Engine, order: ArtifactOrder): AsyncGenerator<RunArtifact> {
  const { run, test, left, note } = order
  const folder = join(order.folder, run)
  await mkdir(folder, { recursive: true, mode: 0o750 })
  for (const path of await namedBy(engine, order)) {
    if (left.artifacts <= 0) return note(`${path} is not kept: a run keeps ${artifactLimits.count}`)
    const id = idOf(run, test, path)
    const part = join(folder, `${id}.part`)
    await rm(part, { force: true })
    const saved = await saveOut(engine, {
      id: order.container,
      path,
      to: part,
      maxBytes: Math.min(maxBytes, left.artifactBytes),
      maxFiles,
      signal: order.signal,
      deadlineMs: saveMs,
    })
    if (!saved.ok) note(`${path} is not kept: ${saved.reason.message}`)
    else if (saved.value.kind !== 'file' && saved.value.kind !== 'folder')
      note(`${path} is not kept: ${reasons[saved.value.kind]}`)
    else {
      const { kind, bytes, leftOut } = saved.value
      if (leftOut > 0) note(`${path}: ${leftOut} links and special files are left out`)
      await rename(part, join(folder, id))
      left.artifacts -= 1
      left.artifactBytes -= bytes
      yield { id, test, path, name: nameOf(path, kind), bytes, expiresAt: order.expiresAt.toISOString() }
    }
  }
}

/** The paths, and what globs among them match. */
async function namedBy(engine: Engine, { container: id, paths, signal, note }: ArtifactOrder): Promise<string[]> {
  const named = new Set<string>()
  for (const path of paths) {
    if (!isGlob(path)) {
      named.add(path)
      continue
    }
    const look = { id, glob: path, matches: globMatcher([path]), signal, deadlineMs: saveMs }
    const found = await findOut(engine, look, artifactLimits.count + 1)
    if (!found.ok) note(`${path} is not kept: ${found.reason.message}`)
    else if (found.value.length === 0) note(`${path} is not kept: ${reasons.missing}`)
    else for (const one of found.value) named.add(one)
  }
  return [...named]
}

function nameOf(path: string, kind: 'file' | 'folder'): string {
  const last = path.split('/').findLast((part) => part !== '' && part !== '.' && part !== '..') ?? 'files'
  return kind === 'folder' ? `${last}.tar.gz` : last
}
