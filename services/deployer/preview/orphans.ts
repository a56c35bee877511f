import type { Target, TargetPlace } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { parseRepositoryId } from '@taxiway/domain/ids.ts'
import type { PreviewCluster } from '@taxiway/store/environments/previews.ts'
import type { WatchDeps } from '../roll-out.ts'
import { borrowLane } from '../turn/borrow-lane.ts'
import { removePlace } from './remove.ts'

const listMs = 20_000
const removeMs = 45_000
const laneMs = 10_000

/**
 * One pass over the clusters that previews were ever deployed to: a namespace that says it was made as a preview of a repository
 * that is registered here, and that no preview on the record has, is removed. So go those that a record was lost of, and those
 * that a preview left for another namespace.
 */
export function makeSweepOrphans(deps: WatchDeps): (signal: AbortSignal) => Promise<void> {
  const { store, logger } = deps
  return async (signal) => {
    for (const where of await store.previews.clusters()) {
      if (signal.aborted) return
      if (!(await store.repositories.read(where.repo))) await store.previews.forgetCluster(where)
      else
        await sweepCluster(deps, where, signal).catch((error) => {
          if (!signal.aborted) logger.warn({ err: error, ...where }, 'could not look for previews without a record')
        })
    }
  }
}

async function sweepCluster(deps: WatchDeps, { repo, cluster }: PreviewCluster, signal: AbortSignal): Promise<void> {
  const work: Work = { deadlineMs: listMs, signal, say: () => undefined }
  const target = await deps.targets.choose(repo, cluster, work)
  if (!target.ok) return
  const found = await target.value.previews?.(work)
  if (!found?.ok) return
  // All at once, so that one that stays holds up no other.
  await Promise.all(
    found.value.map((place) =>
      removeOrphan(deps, target.value, place, signal).catch((error) => {
        if (!signal.aborted) deps.logger.warn({ err: error, ...place }, 'a preview without a record was not removed')
      }),
    ),
  )
}

async function removeOrphan(deps: WatchDeps, target: Target, place: TargetPlace, signal: AbortSignal): Promise<void> {
  const { store, logger } = deps
  const { environment, namespace } = place
  const repo = parseRepositoryId(place.repositoryId)
  // Of another Taxiway, or of a repository that is no longer ours to speak for.
  if (!repo || !(await store.repositories.read(repo))) return
  const isOrphan = async () => (await store.previews.read(repo, environment))?.namespace !== namespace
  if (!(await isOrphan())) return
  await borrowLane(store, { repo, name: environment }, signal, async (lane) => {
    const stillHeld = async () =>
      (await store.releases.holdLane(repo, environment, lane.holder, laneMs)) && (await isOrphan())
    const work: Work = { deadlineMs: removeMs, signal: lane.signal, say: () => undefined }
    const removal = { target, place, preview: { repo, environment }, stillHeld }
    const removed = await removePlace(deps, removal, work)
    if (removed.ok) logger.info({ ...place }, 'a preview without a record was removed')
    else logger.warn({ ...place, reason: removed.reason }, 'a preview without a record was not removed')
    return true
  })
}
