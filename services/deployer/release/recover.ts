import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Target, TargetPlace } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { parseSha, type RunId } from '@taxiway/domain/ids.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { isBefore } from '@taxiway/git/changes.ts'
import { Left } from '@taxiway/worker/end.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { fetchOrder } from '../order/manifests.ts'
import type { ReleaseDeps } from '../roll-out.ts'

/**
 * Where the target has a release and the record knows of none, because it was emptied or the repository registered anew, what
 * stands there is written down as what is live: so a release that fails goes back to it.
 * @throws Left when the run is of a push from before it: with the record the order of pushes was lost, but not that of commits
 */
export async function recover(
  stage: StageContext,
  deps: ReleaseDeps,
  target: Target,
  place: TargetPlace & Pick<ReleaseOrder, 'repositoryName'>,
  work: Work,
): Promise<Outcome<void>> {
  const { releases } = deps.store
  const { run } = stage
  if ((await releases.list(run.repo, deps.environment.name)).length === 0) {
    const standing = (await target.standing?.(place, work)) ?? done(undefined)
    if (!standing.ok) return standing
    if (standing.value) await writeDown(stage, deps, target, standing.value)
  }
  const live = await releases.live(run.repo, deps.environment.name)
  const sha = live?.event === 'recovered' ? parseSha(live.sha) : undefined
  // A branch that was set back wants the older commit.
  if (run.event !== 'push' || run.forced || !sha) return done(undefined)
  const fetching = await fetchOrder(stage, deps)
  if (!fetching.ok) return fetching
  if (await isBefore(fetching.value, sha))
    throw new Left({ end: 'superseded', by: `a later commit (${sha.slice(0, 7)}), which is live` })
  return done(undefined)
}

async function writeDown(
  { run, log }: StageContext,
  { store, environment }: ReleaseDeps,
  target: Target,
  order: ReleaseOrder,
): Promise<void> {
  log.say(`the record knows of no release here; release ${order.generation} is read from the cluster`)
  await store.releases.save(run.repo, environment.name, {
    runId: order.runId as RunId,
    sequence: 0,
    sha: order.sha,
    generation: order.generation,
    state: 'live',
    target: target.kind,
    at: store.now().toISOString(),
    event: 'recovered',
    order,
  })
}
