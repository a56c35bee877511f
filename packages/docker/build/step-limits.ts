import { type FSWatcher, watch } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DiskLimits, diskUse, passedLimit, writableOf } from '../engine/disk-use.ts'
import { type MetLimit, nearly, repeat } from '../engine/limit-watch.ts'

/** What one step of a build (one RUN) may use. */
export interface StepLimits extends DiskLimits {
  memoryMb: number
  pids: number
  cpus: number
}
export interface StepLimitsOptions extends StepLimits {
  /** BuildKit's cgroup, from the root of the hierarchy: `docker/buildkit`. Where systemd drives the engine's cgroups, its own place is known. */
  cgroup: string
  /** Where the kernel shows cgroups. */
  root?: string
}
/** A step that was ended for a limit, and when. */
export interface EndedStep extends MetLimit {
  atMs: number
}
/** Keeps every build step of the engine on this machine within limits. */
export interface StepLimiter {
  /** The limit for which a step was ended since then, if one was. */
  endedSince(atMs: number): MetLimit | undefined
  /** How many processes the kernel has killed for want of memory so far: of steps, or of all where it counts no closer. */
  memoryKills(): Promise<number>
  stop(): void
}

const lookEveryMs = 1000
const diskEveryMs = 3000

/**
 * BuildKit gives its steps no limits, and the engine's API has no way to ask for any; but each step has a cgroup of its own below
 * one folder. This writes limits into every new one as it appears, and ends a step that has no process left to start in two looks,
 * or has written more than it may.
 * @throws when this process may not, or the engine is not on this machine
 */
export async function limitBuildSteps(
  options: StepLimitsOptions,
  onEnd: (step: EndedStep) => void = () => {},
): Promise<StepLimiter> {
  const folders = await foldersOf(options)
  const ended: EndedStep[] = []
  const full = new Map<string, number>()
  const limit = async () => {
    for (const folder of folders) for (const step of await stepsIn(folder)) await write(step, folder)
  }
  const steps = async () => (await Promise.all(folders.filter(({ files }) => 'pids.max' in files).map(stepsIn))).flat()
  const end = async (step: string, met: MetLimit) => {
    const one = { ...met, atMs: Date.now() }
    ended.push(one)
    onEnd(one)
    if (await endAll(step)) full.delete(step)
  }
  const lookAtPids = async () => {
    await limit()
    for (const step of await steps()) {
      const used = Number(await readFile(join(step, 'pids.current'), 'utf8').catch(() => '0'))
      const times = used >= nearly(options.pids) ? (full.get(step) ?? 0) + 1 : 0
      full.set(step, times)
      if (times >= 2) await end(step, { what: 'processes', limit: `${options.pids}` })
    }
  }
  const lookAtDisk = async () => {
    for (const step of await steps()) {
      const [pid] = await processesOf(step)
      const writable = pid === undefined ? undefined : await writableOf(pid)
      if (!writable) continue
      const met = passedLimit(await diskUse([writable.layer, ...writable.mounts]), options)
      if (met) await end(step, met)
    }
  }
  await limit()
  const watches: FSWatcher[] = folders.map((folder) =>
    watch(
      folder.path,
      (_event, step) => void (step?.startsWith(folder.prefix) && write(join(folder.path, step), folder)),
    ),
  )
  // What the watch missed is found by the next look.
  const stopped = new AbortController()
  repeat(lookEveryMs, stopped.signal, lookAtPids)
  repeat(diskEveryMs, stopped.signal, lookAtDisk)
  return {
    memoryKills: () => memoryKills(folders, options.root),
    endedSince: (sinceMs) => ended.findLast(({ atMs }) => atMs >= sinceMs),
    stop() {
      stopped.abort()
      for (const one of watches) one.close()
    },
  }
}

interface Folder {
  path: string
  /** What the names of steps begin with, where others are beside them. */
  prefix: string
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
  const folders = Object.entries(wanted).map(([kind, files]) => ({ path: join(root, kind, cgroup), prefix: '', files }))
  for (const { path } of folders) await mkdir(path, { recursive: true })
  for (const { path } of folders) await stat(join(path, 'cgroup.procs'))
  const slice = join(root, systemdSlice)
  const isDriven = isUnified && (await stat(slice).catch(() => undefined))
  return isDriven
    ? [...folders, { path: slice, prefix: `${systemdSlice}:docker:`, files: wanted['.'] as Folder['files'] }]
    : folders
}

/**
 * Version 2 counts what happens below a folder in the folder (memory.events, cgroup-v2.rst). With version 1 a step's count goes with the step, and
 * what is left is the count of the whole machine (vmstat).
 */
async function memoryKills(folders: Folder[], root = '/sys/fs/cgroup'): Promise<number> {
  const unified = folders.filter(({ files }) => 'memory.max' in files).map(({ path }) => join(path, 'memory.events'))
  const counts = (unified.length > 0 ? unified : [join(root, '../../../proc/vmstat')]).map(killsIn)
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
}

/** What such a file of the kernel's says. */
export async function killsIn(file: string): Promise<number> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0)
}

/** Steps of an engine whose cgroups systemd drives (moby daemon/daemon_unix.go, newCgroupParent; runc makes them beside the engine's service). */
const systemdSlice = 'system.slice'

/** The folders of the steps that there are. */
const stepsIn = async ({ path, prefix }: Pick<Folder, 'path' | 'prefix'>): Promise<string[]> =>
  (await readdir(path, { withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isDirectory() && entry.name.startsWith(prefix))
    .map((entry) => join(path, entry.name))

/** A step that has gone by now needs no limits. */
async function write(step: string, { files }: Folder): Promise<void> {
  for (const [name, value] of Object.entries(files)) await writeFile(join(step, name), value).catch(() => undefined)
}

const processesOf = async (step: string): Promise<number[]> =>
  (await readFile(join(step, 'cgroup.procs'), 'utf8').catch(() => '')).split('\n').filter(Boolean).map(Number)

/** Kills every process of a step, and looks again for those that started meanwhile. @returns whether none is left */
async function endAll(folder: string): Promise<boolean> {
  for (let round = 0; round < 20; round++) {
    const pids = await processesOf(folder)
    if (pids.length === 0) return true
    for (const pid of pids)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
  }
  return false
}
