import { type FSWatcher, watch } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What one step of a build (one RUN) may use. */
export interface StepLimits {
  memoryMb: number
  pids: number
  cpus: number
}
export interface StepLimitsOptions extends StepLimits {
  /** BuildKit's cgroup, from the root of the hierarchy: `docker/buildkit`. */
  cgroup: string
  /** Where the kernel shows cgroups. */
  root?: string
}
/** Keeps every build step of the engine on this machine within limits. */
export interface StepLimiter {
  /** Was a step ended for want of processes since then? */
  endedSince(atMs: number): boolean
  stop(): void
}

const lookEveryMs = 1000

/**
 * BuildKit gives its steps no limits, and the engine's API has no way to ask for any; but each step has a cgroup of its own below
 * one folder. This writes limits into every new one as it appears, and ends a step that has no process left to start in two looks.
 * @throws when this process may not, or the engine is not on this machine
 */
export async function limitBuildSteps(options: StepLimitsOptions): Promise<StepLimiter> {
  const folders = await foldersOf(options)
  const ended: number[] = []
  const full = new Map<string, number>()
  const limit = async () => {
    for (const folder of folders)
      for (const step of await stepsIn(folder.path)) await write(join(folder.path, step), folder)
  }
  const pidsFolder = folders.find(({ files }) => 'pids.max' in files)?.path ?? ''
  const look = async () => {
    await limit()
    for (const step of await stepsIn(pidsFolder)) {
      const used = Number(await readFile(join(pidsFolder, step, 'pids.current'), 'utf8').catch(() => '0'))
      const times = used >= nearly(options.pids) ? (full.get(step) ?? 0) + 1 : 0
      full.set(step, times)
      if (times < 2) continue
      ended.push(Date.now())
      if (await endAll(join(pidsFolder, step))) full.delete(step)
    }
  }
  await limit()
  const watches: FSWatcher[] = folders.map((folder) =>
    watch(folder.path, (_event, step) => void (step && write(join(folder.path, step), folder))),
  )
  // What the watch missed is found by the next look.
  const timer = setInterval(() => void look().catch(() => undefined), lookEveryMs)
  timer.unref()
  return {
    endedSince: (atMs) => ended.some((at) => at >= atMs),
    stop() {
      clearInterval(timer)
      for (const one of watches) one.close()
    },
  }
}

interface Folder {
  path: string
  files: Record<string, string>
}

/** Version 2 has one hierarchy, version 1 one for each kind of limit. */
async function foldersOf({ cgroup, root = '/sys/fs/cgroup', ...limits }: StepLimitsOptions): Promise<Folder[]> {
  const bytes = String(limits.memoryMb * 2 ** 20)
  const quota = Math.round(limits.cpus * 100_000)
  const isUnified = await stat(join(root, 'cgroup.controllers')).catch(() => undefined)
  const wanted: Record<string, Folder['files']> = isUnified
    ? {
        '.': {
          'pids.max': String(limits.pids),
          'memory.max': bytes,
          'memory.swap.max': '0',
          'cpu.max': `${quota} 100000`,
        },
      }
    : {
        pids: { 'pids.max': String(limits.pids) },
        memory: { 'memory.limit_in_bytes': bytes, 'memory.memsw.limit_in_bytes': bytes },
        cpu: { 'cpu.cfs_quota_us': String(quota) },
      }
  const folders = Object.entries(wanted).map(([kind, files]) => ({ path: join(root, kind, cgroup), files }))
  for (const { path } of folders) await mkdir(path, { recursive: true })
  for (const { path } of folders) await stat(join(path, 'cgroup.procs'))
  return folders
}

/** Where every fork fails, now and then one process has just gone. */
export const nearly = (limit: number): number => Math.floor(limit * 0.95)

const stepsIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { withFileTypes: true }).catch(() => [])).filter((e) => e.isDirectory()).map((e) => e.name)

/** A step that has gone by now needs no limits. */
async function write(step: string, { files }: Folder): Promise<void> {
  for (const [name, value] of Object.entries(files)) await writeFile(join(step, name), value).catch(() => undefined)
}

/** Kills every process of a step, and looks again for those that started meanwhile. @returns whether none is left */
async function endAll(folder: string): Promise<boolean> {
  for (let round = 0; round < 20; round++) {
    const pids = (await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '')).split('\n').filter(Boolean)
    if (pids.length === 0) return true
    for (const pid of pids.map(Number))
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
  }
  return false
}
