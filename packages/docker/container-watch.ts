import { volumeSizes } from './cache-volumes.ts'
import { callDeadlineMs, type Engine, within } from './engine.ts'
import { nearly } from './step-limits.ts'

/** A limit that a container met, for people: `10240 MB of disk`. */
export interface MetLimit {
  what: string
  limit: string
}
export interface WatchedLimits {
  pids: number
  /** What the container may write into its own files; without it, as much as the engine has. */
  diskMb?: number
}
const pidsEveryMs = 2000
const diskEveryMs = 5000
/** The engine counts all its volumes for that. */
const volumesEveryMs = 15_000

/**
 * Looks at a running container now and then: one that writes more than it may, or that has no process left to start in two
 * looks, is told to `onMet`, once. The kernel holds the number of processes all the time; this only ends what can't go on.
 */
export function watchLimits(
  engine: Engine,
  id: string,
  limits: WatchedLimits,
  onMet: (met: MetLimit) => void,
): { end(): void } {
  const ended = new AbortController()
  const container = engine.docker.getContainer(id)
  const meet = (met: MetLimit) => {
    if (!ended.signal.aborted) onMet(met)
    ended.abort()
  }
  let full = 0
  const lookAtPids = async () => {
    const stats = await container.stats({ stream: false, 'one-shot': true })
    full = (stats.pids_stats?.current ?? 0) >= nearly(limits.pids) ? full + 1 : 0
    if (full >= 2) meet({ what: 'processes', limit: `${limits.pids}` })
  }
  const lookAtDisk = async () => {
    if (limits.diskMb === undefined) return
    const { SizeRw } = (await container.inspect({ size: true } as object)) as { SizeRw?: number }
    if ((SizeRw ?? 0) > limits.diskMb * 2 ** 20) meet({ what: 'disk', limit: `${limits.diskMb} MB` })
  }
  const lookAtVolumes = async () => {
    if (limits.diskMb === undefined) return
    const { Mounts } = await container.inspect()
    const names = Mounts.flatMap(({ Type, Name }) => (Type === 'volume' && Name ? [Name] : []))
    if (names.length === 0) return
    const sizes = await volumeSizes(engine)
    if (names.some((name) => (sizes.get(name) ?? 0) > (limits.diskMb ?? 0) * 2 ** 20))
      meet({ what: 'disk of a volume', limit: `${limits.diskMb} MB` })
  }
  repeat(pidsEveryMs, ended.signal, lookAtPids)
  repeat(volumesEveryMs, ended.signal, lookAtVolumes)
  repeat(diskEveryMs, ended.signal, lookAtDisk)
  return { end: () => ended.abort() }
}

/** One look at a time; one that fails is made again. */
function repeat(everyMs: number, signal: AbortSignal, look: () => Promise<void>): void {
  if (signal.aborted) return
  const timer = setTimeout(async () => {
    await within(callDeadlineMs, signal, look).catch(() => undefined)
    repeat(everyMs, signal, look)
  }, everyMs)
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
}
