import { execFile } from 'node:child_process'
import { readFile, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Engine } from './engine.ts'
import { dataRoot } from './engine-info.ts'
import type { MetLimit } from './limit-watch.ts'

export interface DiskUse {
  bytes: number
  files: number
}
/** What may be written, in all; what is left out has no limit. */
export interface DiskLimits {
  diskMb?: number
  files?: number
}
/** Where a process can write, apart from memory. */
export interface Writable {
  /** The layer of its own files. */
  layer: string
  /** Volumes and caches that are mounted for it. */
  mounts: string[]
}

/** What is left when something large did not fit. */
const fullShare = 0.02

/** Has the disk of the engine next to no room, or no files, left? Of an engine on another machine that can't be said. */
export async function isEngineDiskFull(engine: Engine): Promise<boolean> {
  if (!engine.where.startsWith('unix:')) return false
  try {
    const { bfree, blocks, ffree, files } = await statfs(await dataRoot(engine))
    return bfree < blocks * fullShare || ffree < files * fullShare
  } catch {
    return false
  }
}

const countMs = 20_000
/** File systems that hold no disk. */
const noDisk = /^(proc|sysfs|tmpfs|devpts|devtmpfs|mqueue|cgroup2?|overlay|ramfs)$/

/**
 * Where the process of a container on this machine can write, by the mounts it sees (proc(5), mountinfo). Undefined where its
 * files are no overlay, or it has gone.
 */
export async function writableOf(pid: number): Promise<Writable | undefined> {
  const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '')
  const mounts = text.split('\n').flatMap((line) => {
    const [head = '', tail = ''] = line.split(' - ')
    const [, , , , at = '', options = ''] = head.split(' ')
    const [type = '', , more = ''] = tail.split(' ')
    return at === '' ? [] : [{ at: unescapeMount(at), isWritable: /^rw(,|$)/.test(options), type, more }]
  })
  const layer = mounts.find(({ at, type }) => at === '/' && type === 'overlay')?.more.match(/upperdir=([^,]+)/)?.[1]
  if (layer === undefined) return undefined
  const more = mounts.filter(({ at, isWritable, type }) => at !== '/' && isWritable && !noDisk.test(type))
  return { layer, mounts: more.map(({ at }) => join(`/proc/${pid}/root`, at)) }
}

const unescapeMount = (path: string): string =>
  path.replaceAll(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))

/** What lies below the folders, without what is mounted there. Counted by `du`, in a process of its own: a million files take seconds. */
export async function diskUse(folders: readonly string[]): Promise<DiskUse> {
  if (folders.length === 0) return { bytes: 0, files: 0 }
  const [bytes, files] = await Promise.all([
    total(['-B1', '-sxc', '--', ...folders]),
    total(['--inodes', '-sxc', '--', ...folders]),
  ])
  return { bytes, files }
}

/** The last line that `du -c` prints. Files that vanish meanwhile make it complain, and count all the same. */
const total = (args: string[]): Promise<number> =>
  new Promise((resolve) => {
    execFile('du', args, { timeout: countMs, env: { PATH: process.env.PATH, LC_ALL: 'C' } }, (_error, stdout) =>
      resolve(Number(/^(\d+)\ttotal$/m.exec(stdout)?.[1] ?? 0)),
    )
  })

/** Which of the limits is passed, if any. */
export function passedLimit({ bytes, files }: DiskUse, limits: DiskLimits): MetLimit | undefined {
  if (limits.diskMb !== undefined && bytes > limits.diskMb * 2 ** 20)
    return { what: 'disk', limit: `${limits.diskMb} MB` }
  if (limits.files !== undefined && files > limits.files) return { what: 'files', limit: `${limits.files}` }
  return undefined
}
