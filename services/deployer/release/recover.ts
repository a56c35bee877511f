import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Target, TargetPlace } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import type { RunId } from '@taxiway/domain/ids.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import type { ReleaseDeps } from '../roll-out.ts'

/**
 * Where the target has a release and the record knows of none, because it was emptied or the repository registered anew, what
 * stands there is written down as what is live: so a release that fails goes back to it.
 */
export async function recover(
  { run, log }: StageContext,
  { store, environment }: ReleaseDeps,
  target: Target,
  place: TargetPlace & Pick<ReleaseOrder, 'repositoryName'>,
  work: Work,
): Promise<Outcome<void>> {
  const { releases } = store
  if ((await releases.list(run.repo, environment.name)).length > 0) return done(undefined)
  const standing = (await target.standing?.(place, work)) ?? done(undefined)
  if (!standing.ok || !standing.value) return standing.ok ? done(undefined) : standing
  const order = standing.value
  log.say(`the record knows of no release here; release ${order.generation} is read from the cluster`)
  await releases.save(run.repo, environment.name, {
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
  return done(undefined)
}
