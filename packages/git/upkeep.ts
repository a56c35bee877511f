import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { FetchOrder } from './fetch-order.ts'
import { git } from './git.ts'

const localMs = 30_000
const tidyMs = 120_000
/** Beyond `mostCommits` the mirror forgets all but the newest `keptCommits`, and those used within the last two hours. */
const mostCommits = 40
const keptCommits = 20
const inUseMs = 2 * 60 * 60_000

/** Makes the mirror if it is not there, and removes what a killed git left. The mirror's lock is held. */
export async function prepare(folder: string, { sha, signal }: FetchOrder): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await removeLeftovers(folder)
  if (await stat(join(folder, 'HEAD')).catch(() => undefined)) return
  const format = sha.length === 64 ? 'sha256' : 'sha1'
  const made = await git(['init', '--bare', '--quiet', '--template=', `--object-format=${format}`, folder], {
    folder,
    signal,
    deadlineMs: localMs,
  })
  if (made.exitCode !== 0) throw new Error(`the mirror could not be made: ${made.stderr}`)
}

/** Git's locks and half-written packs; with `loose`, half-written objects too. Whoever holds the mirror's lock knows that nobody is using them. */
export async function removeLeftovers(folder: string, { loose = false } = {}): Promise<void> {
  const names = async (path: string) =>
    (await readdir(join(folder, path)).catch(() => [])).map((name) => join(path, name))
  const rooms = loose ? await names('objects') : ['objects/pack']
  const left = (await Promise.all(['.', 'refs/taxiway', 'refs/tag-objects', 'refs/branch'].map(names)))
    .flat()
    .filter((path) => /\.lock$|^gc\.pid$|^shallow_/.test(path))
    .concat((await Promise.all(rooms.map(names))).flat().filter((path) => /\/\.?tmp[-_]/.test(path)))
  for (const path of left) await rm(join(folder, path), { force: true })
}

/** Takes the mirror away in one step, so that nobody finds half of it. */
export async function remove(folder: string): Promise<void> {
  const aside = `${folder}.${randomUUID()}.gone`
  await rename(folder, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  await rm(aside, { recursive: true, force: true })
}

/** Now and then forgets old commits, and packs the rest together. If that fails, the mirror is only larger. */
export async function tidy(folder: string, { signal, onLine }: FetchOrder): Promise<void> {
  const commits = await readdir(join(folder, 'refs/taxiway')).catch(() => [])
  if (commits.length <= mostCommits) return
  onLine?.('tidying the mirror')
  const used = await Promise.all(
    commits.map(async (name) => ({
      name,
      atMs: (await stat(join(folder, 'refs/taxiway', name)).catch(() => undefined))?.mtimeMs ?? 0,
    })),
  )
  const old = used
    .sort((a, b) => b.atMs - a.atMs)
    .slice(keptCommits)
    .filter(({ atMs }) => Date.now() - atMs > inUseMs)
  if (old.length === 0) return
  const input = old.map(({ name }) => `delete refs/taxiway/${name}\n`).join('')
  await git(['update-ref', '--stdin'], { folder, signal, input, deadlineMs: localMs })
  await git(['gc', '--quiet', '--prune=2.hours.ago'], { folder, signal, deadlineMs: tidyMs })
}

/** Bytes of the mirror's objects, finished or not. */
export async function sizeOf(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(join(folder, 'objects'), { recursive: true, withFileTypes: true }).catch(() => []))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0
  return bytes
}
