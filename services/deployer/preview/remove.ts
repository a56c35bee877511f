import type { Target, TargetPlace } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, type Reason, reason } from '@taxiway/domain/reason.ts'
import { hideReason } from '@taxiway/domain/run/hide-event.ts'
import type { Preview } from '@taxiway/store/environments/previews.ts'
import { hiddenValues } from '@taxiway/worker/hidden-values.ts'
import type { WatchDeps } from '../roll-out.ts'
import { type BorrowedLane, borrowLane } from '../turn/borrow-lane.ts'

const longestPauseMs = 3_600_000
const laneMs = 10_000

/** How long a preview is left alone that could not be removed so many times in a row, within `removeMs` each. */
export const pauseAfter = (tries: number, removeMs: number): number =>
  Math.min((removeMs / 3) * 2 ** (tries - 1), longestPauseMs)

/**
 * Removes a preview under its environment's lane, so never beside a roll-out, and forgets it; a roll-out that comes meanwhile
 * waits and makes it anew. What could not be removed is told on the environment and left alone for a while.
 */
export async function removePreview(
  deps: WatchDeps,
  preview: Preview,
  why: string,
  signal: AbortSignal,
): Promise<void> {
  const { store, logger } = deps
  const { repo, environment: name } = preview
  await borrowLane(store, { repo, name }, signal, async (lane) => {
    // It may have been deployed since it was found to be over.
    if (!(await isAsBefore(deps, preview))) return true
    const outcome = await carryOut(deps, preview, lane).catch((error): Outcome<void> => {
      lane.signal.throwIfAborted()
      logger.warn({ err: error, environment: name }, 'preview not removed')
      return { ok: false, reason: reason('unknown_error') }
    })
    if (outcome.ok) logger.info({ repo, environment: name, why }, 'preview removed')
    else if (outcome.reason.code !== 'removal_overtaken') await noteTrouble(deps, preview, outcome.reason)
    return true
  })
}

const isAsBefore = async ({ store }: WatchDeps, { repo, environment, runId, updatedAt }: Preview): Promise<boolean> => {
  const now = await store.previews.read(repo, environment)
  return now?.runId === runId && now.updatedAt === updatedAt
}

/** Everywhere that it was deployed to. */
async function carryOut(deps: WatchDeps, preview: Preview, lane: BorrowedLane): Promise<Outcome<void>> {
  const { store, targets, config } = deps
  const { repo, environment, former = [] } = preview
  const work: Work = { deadlineMs: config.previews.removeMs, signal: lane.signal, say: () => undefined }
  const stillHeld = async () =>
    (await store.releases.holdLane(repo, environment, lane.holder, laneMs)) && (await isAsBefore(deps, preview))
  for (const { namespace, cluster, target: kind } of [preview, ...former]) {
    const target = await targets.choose(repo, cluster, work, kind)
    if (!target.ok) return target
    const place = { repositoryId: repo, environment, namespace }
    const removed = await removePlace(deps, { target: target.value, place, preview, stillHeld }, work)
    if (!removed.ok) return removed
  }
  await store.environments.forget(repo, environment, lane.holder)
  return done(undefined)
}

/** Removes what stands there, and gives the namespace back. */
export async function removePlace(
  { store }: Pick<WatchDeps, 'store'>,
  {
    target,
    place,
    preview: { repo, environment },
    stillHeld,
  }: {
    target: Pick<Target, 'remove' | 'where'>
    place: TargetPlace
    preview: Pick<Preview, 'repo' | 'environment'>
    stillHeld: () => Promise<boolean>
  },
  work: Work,
): Promise<Outcome<void>> {
  const removed = await target.remove(place, stillHeld, work)
  if (!removed.ok) return removed
  const where = await target.where?.(work)
  if (where && !where.ok) return where
  if (where) await store.namespaces.leave(where.value, place.namespace, { repo, environment })
  return done(undefined)
}

async function noteTrouble({ store, config }: WatchDeps, preview: Preview, why: Reason): Promise<void> {
  const { repo, environment } = preview
  const tries = ((await store.previews.trouble(repo, environment))?.tries ?? 0) + 1
  const pauseMs = pauseAfter(tries, config.previews.removeMs)
  const nowMs = store.now().getTime()
  const next = new Date(nowMs + pauseMs).toISOString()
  const told = reason('preview_stuck', { environment, detail: why.message.replace(/\.$/, ''), next })
  const secrets = await hiddenValues(store, repo, config.registry)
  const trouble = { reason: hideReason(secrets, told), tries, at: new Date(nowMs).toISOString() }
  await store.previews.noteTrouble(preview, trouble, pauseMs)
}
