import type { Change } from '@taxiway/domain/environment/change.ts'
import type { ListedRelease } from '@taxiway/domain/environment/release.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { EnvironmentRef } from '@taxiway/store/environments/seen.ts'
import { dispatch } from '@taxiway/store/runs/dispatch.ts'
import { removePlace } from '../preview/remove.ts'
import type { WatchDeps } from '../roll-out.ts'
import type { BorrowedLane } from '../turn/borrow-lane.ts'

const laneMs = 10_000

/**
 * Deletes an environment from the record, and what it runs, everywhere that it was deployed to, if that is wanted; data stays.
 * Namespaces are nobody's after that. Runs that wait for it end. A push may make it anew.
 */
export async function deleteEnvironment(
  deps: WatchDeps,
  { repo, name }: EnvironmentRef,
  { who, objects }: Pick<Change, 'who' | 'objects'>,
  lane: BorrowedLane,
  work: Work,
): Promise<Outcome<void>> {
  const { store, targets, logger } = deps
  const stillHeld = () => store.releases.holdLane(repo, name, lane.holder, laneMs)
  for (const { kind, cluster, namespace } of placesOf(await store.releases.list(repo, name))) {
    const target = await targets.choose(repo, cluster, work, kind)
    if (!target.ok) return target
    const place = { repositoryId: repo, environment: name, namespace }
    const one = objects === 'delete' ? target.value : { where: target.value.where, remove: async () => done(undefined) }
    const removed = await removePlace(
      deps,
      { target: one, place, preview: { repo, environment: name }, stillHeld },
      work,
    )
    if (!removed.ok) return removed
  }
  await endWaiting(deps, { repo, name }, who)
  await store.environments.forget(repo, name, lane.holder)
  logger.info({ repo, environment: name, who, objects }, 'environment deleted')
  return done(undefined)
}

/** Everywhere that releases went to. */
function placesOf(releases: readonly ListedRelease[]) {
  const places = releases.flatMap(({ order, target }) => {
    const kind = target === 'docker' ? ('docker' as const) : ('kubernetes' as const)
    return order ? [{ kind, cluster: order.cluster, namespace: order.namespace }] : []
  })
  return new Map(places.map((place) => [JSON.stringify(place), place])).values()
}

/** Runs that wait at the gate of an environment which is no more have nothing to wait for. */
async function endWaiting({ store }: WatchDeps, { repo, name }: EnvironmentRef, who: string): Promise<void> {
  for (const { id } of await store.runs.open()) {
    const run = await store.runs.read(id)
    if (run?.repo !== repo || run.gate?.environment !== name) continue
    const ended = await store.runs.move(id, { type: 'cancelled', who: `${who}, who deleted environment ${name}` })
    if (!ended.ok) continue
    await store.logs.expire(id)
    await dispatch(store.queue, ended.value)
  }
}
