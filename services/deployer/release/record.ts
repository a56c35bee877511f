import type { Explanation } from '@taxiway/domain/environment/explanation.ts'
import type { Reason } from '@taxiway/domain/reason.ts'
import type { ReleaseState } from '@taxiway/domain/run/parts.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import { Left } from '@taxiway/worker/end.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import type { ReleaseDeps, RollOut } from '../roll-out.ts'

/** Keeps the release, and tells the run how far it is, and why it went wrong. */
export async function save(
  rollOut: RollOut,
  state: ReleaseState,
  told: { reason?: Reason; explanation?: Explanation | undefined; failure?: string } = {},
): Promise<void> {
  const { stage, deps, target, order } = rollOut
  const { run } = stage
  await rollOut.told
  const environment = deps.environment.name
  await stage.record({
    type: 'release_changed',
    environment,
    generation: order.generation,
    state,
    ...(told.reason ? { reason: told.reason } : {}),
    ...(told.explanation ? { explanation: told.explanation } : {}),
    ...(told.failure === undefined ? {} : { failure: told.failure }),
  })
  await deps.store.releases.save(run.repo, environment, {
    runId: run.id,
    sequence: run.sequence,
    sha: order.sha,
    generation: order.generation,
    state,
    target: target.kind,
    at: deps.store.now().toISOString(),
    ...historyOf(run, environment),
    ...(told.reason ? { reason: stage.hide(told.reason) } : {}),
    ...(deps.environment.preview?.url ? { url: deps.environment.preview.url } : {}),
    ...(deps.environment.drift ? { drift: deps.environment.drift } : {}),
    order,
  })
}

/** Puts how far it has come on the run. */
export function tell(rollOut: RollOut, progress: string): void {
  const { stage, deps, order } = rollOut
  const place = { environment: deps.environment.name, generation: order.generation, state: 'applying' as const }
  // A run that is another attempt's by now is met again at the next write.
  rollOut.told = stage.record({ type: 'release_changed', ...place, progress }).catch(() => {})
}

/** What the list of releases tells of where one came from. */
function historyOf(run: Run, environment: string) {
  const approval = run.approvals?.find((one) => one.environment === environment)
  return {
    event: run.event,
    runNumber: run.number,
    who: run.asked?.who ?? run.author,
    ...(approval ? { approvedBy: approval.who } : {}),
    ...(run.event === 'rollback' && run.asked?.generation !== undefined ? { repeats: run.asked.generation } : {}),
  }
}

/** The next number of a release here. @throws Left when another attempt rolls out to the environment by now */
export async function claimGeneration(
  { run }: StageContext,
  { store, environment, holder }: ReleaseDeps,
  live: number,
): Promise<number> {
  const generation = await store.releases.claimGeneration(run.repo, environment.name, holder, live)
  if (generation === undefined) throw new Left({ end: 'lost' })
  return generation
}
