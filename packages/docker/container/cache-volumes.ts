import { json } from 'node:stream/consumers'
import { callDeadlineMs, type Engine, hasStatus, stream, within } from '../engine/engine.ts'
import { label } from '../engine/labels.ts'

/** A volume that is kept from one run to the next. */
export interface CacheVolume {
  name: string
  /** Id of the repository that it belongs to. */
  repo: string
  createdAt: Date
}

const repoLabel = 'taxiway.repo'
const role = 'cache'
/** Counting what is in all volumes takes its time. */
const countMs = 5 * 60_000

/** Makes the volume unless it is there. It has a role of its own, so that no sweep of runs takes it. */
export async function ensureCacheVolume(
  engine: Engine,
  { name, repo }: Pick<CacheVolume, 'name' | 'repo'>,
  signal: AbortSignal,
): Promise<void> {
  const installation: Record<string, string> = engine.installation ? { [label.installation]: engine.installation } : {}
  const Labels: Record<string, string> = { [label.role]: role, [repoLabel]: repo, ...installation }
  await within(callDeadlineMs, signal, () => engine.docker.createVolume({ Name: name, Labels }))
}

/** All volumes that this Taxiway keeps for later runs. */
export async function listCacheVolumes(engine: Engine, signal?: AbortSignal): Promise<CacheVolume[]> {
  const wanted = [`${label.role}=${role}`]
  if (engine.installation) wanted.push(`${label.installation}=${engine.installation}`)
  const { Volumes } = await within(callDeadlineMs, signal, () =>
    engine.docker.listVolumes({ filters: { label: wanted } }),
  )
  return (Volumes ?? []).map((volume) => ({
    name: volume.Name,
    repo: volume.Labels?.[repoLabel] ?? '',
    createdAt: new Date((volume as { CreatedAt?: string }).CreatedAt ?? 0),
  }))
}

/** Bytes in each volume of the engine that says so, by name. */
export async function volumeSizes(engine: Engine, signal?: AbortSignal): Promise<Map<string, number>> {
  const { Volumes } = await within(countMs, signal, async (abortSignal) => {
    // Engines of API 1.42 on count volumes only, older ones everything.
    const answer = await stream(engine, { method: 'GET', path: '/system/df?type=volume' }, abortSignal)
    return (await json(answer)) as { Volumes: { Name: string; UsageData?: { Size: number } | null }[] | null }
  })
  return new Map((Volumes ?? []).map(({ Name, UsageData }) => [Name, UsageData?.Size ?? 0]))
}

/** Removes a volume. @returns false while a container uses it */
export async function removeCacheVolume(engine: Engine, name: string, signal?: AbortSignal): Promise<boolean> {
  try {
    await within(callDeadlineMs, signal, () => engine.docker.getVolume(name).remove())
    return true
  } catch (error) {
    if (hasStatus(error, 404)) return true
    if (hasStatus(error, 409)) return false
    throw error
  }
}
