import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import type { TreeFile } from '@taxiway/git/tree.ts'

/** When each file of a workspace got the content it has, as git does for a working tree, but the same for all files of a checkout. */
export interface FileTimes {
  /** Names the workspace. What builds keep by these times (cache mounts) belongs to it, and to no other. */
  lineage: string
  /** Path -> git's name for its content, and since when the file holds it (ms). */
  files: ReadonlyMap<string, { id: string; atMs: number }>
}

/**
 * The times of a commit's files after what the workspace held before: a file that is new or has other content, also one it had
 * long ago, is of now; all others keep their time. Never earlier than a time that was given before, whatever the clock does.
 */
export function timesAfter(before: FileTimes, files: readonly TreeFile[], nowMs: number): FileTimes {
  const latestMs = [...before.files.values()].reduce((latest, { atMs }) => Math.max(latest, atMs), 0)
  const atMs = Math.max(nowMs, latestMs + 1)
  const times = files.map(({ path, id }) => {
    const known = before.files.get(path)
    return [path, known?.id === id ? known : { id, atMs }] as const
  })
  return { lineage: before.lineage, files: new Map(times) }
}

/** Keeps the times of a workspace in a file, and gives those of the commit that is in it now. Without a readable file, it is a new workspace. */
export async function keepTimes(file: string, files: readonly TreeFile[], nowMs: number): Promise<FileTimes> {
  const times = timesAfter(await readTimes(file), files, nowMs)
  const entries = [...times.files].map(([path, { id, atMs }]) => [path, id, atMs])
  await writeFile(`${file}.new`, JSON.stringify({ lineage: times.lineage, files: entries }), { mode: 0o600 })
  await rename(`${file}.new`, file)
  return times
}

async function readTimes(file: string): Promise<FileTimes> {
  try {
    const { lineage, files } = JSON.parse(await readFile(file, 'utf8'))
    return { lineage, files: new Map(files.map(([path, id, atMs]: [string, string, number]) => [path, { id, atMs }])) }
  } catch {
    return { lineage: randomBytes(16).toString('hex'), files: new Map() }
  }
}
