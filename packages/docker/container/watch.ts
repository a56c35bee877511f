import { readFile } from 'node:fs/promises'
import type { ContainerInspectInfo } from 'dockerode'
import { type DiskLimits, diskUse, passedLimit, writableOf } from '../engine/disk-use.ts'
import type { Engine } from '../engine/engine.ts'
import { type MetLimit, nearly, repeat } from '../engine/limit-watch.ts'
import { volumeSizes } from './cache-volumes.ts'

export interface WatchedLimits extends DiskLimits {
  pids: number
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
    const met = passedLimit(await writtenBy(engine, id), limits)
    if (met) meet(met)
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

/** Bytes in the container's own files, and files there and in its volumes. Of an engine elsewhere, it tells only the bytes. */
async function writtenBy(engine: Engine, id: string): Promise<{ bytes: number; files: number }> {
  const container = engine.docker.getContainer(id)
  const { State } = await container.inspect()
  const local = (await isHere(State, id)) ? await writableOf(State.Pid) : undefined
  if (local) {
    const [own, mounted] = await Promise.all([diskUse([local.layer]), diskUse(local.mounts)])
    return { bytes: own.bytes, files: own.files + mounted.files }
  }
  const { SizeRw } = (await container.inspect({ size: true } as object)) as { SizeRw?: number }
  return { bytes: SizeRw ?? 0, files: 0 }
}

/** Is it a process of this machine, under the number that the engine knows it by? Its cgroup bears the container's id. */
async function isHere({ Pid }: ContainerInspectInfo['State'], id: string): Promise<boolean> {
  return Pid > 0 && (await readFile(`/proc/${Pid}/cgroup`, 'utf8').catch(() => '')).includes(id)
}
