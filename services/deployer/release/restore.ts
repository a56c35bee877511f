import type { Explanation } from '@taxiway/domain/environment/explanation.ts'
import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Restored } from '@taxiway/domain/environment/target.ts'
import { type Outcome, type Reason, reason, refuse } from '@taxiway/domain/reason.ts'
import type { RunRelease } from '@taxiway/domain/run/parts.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import type { RollOut } from '../roll-out.ts'
import { claimGeneration, save } from './record.ts'

/** Why a release is taken back. */
export interface Failure {
  detail: string
  explanation?: Explanation | undefined
  /** The refusal of the target, if it was one. */
  fault?: Reason
}

const restoreMs = 5 * 60_000

/** What an earlier attempt of the run came to in an environment: its last release there, if it was being taken back or had been. */
export const takenBack = ({ releases }: Run, environment: string): RunRelease | undefined => {
  const last = releases.filter((release) => release.environment === environment).at(-1)
  return last?.state === 'restoring' || last?.state === 'restored' ? last : undefined
}

/** The failure that a release was being taken back for when its deployer was lost. */
export const failureOf = ({ failure: detail = 'its deployer was lost', explanation }: RunRelease): Failure => ({
  detail,
  ...(explanation ? { explanation } : {}),
})

/**
 * Gives the environment its last healthy release again, under a new generation, and says how that went; where the pipeline
 * wants no rollback, a failed release is left as it is. That it is on its way stands on the record, so whoever comes after a
 * lost deployer goes on with it, and does not roll out anew what has failed.
 */
export async function restore(rollOut: RollOut, failure: Failure): Promise<Outcome<void>> {
  const { stage, deps } = rollOut
  const { detail, explanation, fault } = failure
  const isCancelled = stage.signal.reason === 'cancelled'
  if (deps.environment.rollback === false && !isCancelled) return leave(rollOut, failure)
  // The wish to cancel must not stop the way back.
  const tell = (...told: Parameters<typeof save>) =>
    save(...told).catch((error) => {
      if (!isCancelled) throw error
    })
  stage.log.say(`not healthy: ${detail}; restoring`)
  const begun = { code: 'deploy_unhealthy' as const, message: `${detail}; the release before it is being given again.` }
  await tell(rollOut, 'restoring', { reason: begun, explanation, failure: detail })
  const unhealthy = (restored: string) => reason('deploy_unhealthy', { detail, restored })
  const restored = await putBack(rollOut, isCancelled ? AbortSignal.timeout(restoreMs) : undefined, unhealthy)
  const outcome = restored.ok
    ? restored.value.detail
    : `and it could not be restored: ${restored.reason.message.replace(/\.$/, '')}`
  const isComplete = restored.ok && restored.value.complete
  const why = fault && !restored.ok ? fault : unhealthy(outcome)
  await tell(rollOut, isComplete ? 'restored' : 'failed', { reason: why, explanation })
  return { ok: false, reason: why }
}

/**
 * Leaves the environment to a newer release. What stands beside goes first: the newer one may yet be found not to be valid,
 * and then nobody would take it away.
 */
export async function giveWay(rollOut: RollOut, isBeside: boolean): Promise<void> {
  if (isBeside) {
    rollOut.stage.log.say('a newer release is wanted; taking back what stands beside')
    await putBack(rollOut, AbortSignal.timeout(restoreMs))
  }
  await save(rollOut, 'superseded')
}

/** What was live in another namespace or cluster is still there, and is nothing to put here. */
export const isSamePlace = (one: ReleaseOrder | undefined, other: ReleaseOrder): boolean =>
  one?.namespace === other.namespace && one.cluster === other.cluster

/**
 * Has the target give the last healthy release again.
 * @param own ends it, instead of what ends the roll-out
 * @param why says in the history why the earlier release is there again, given how that went
 */
async function putBack(
  rollOut: RollOut,
  own: AbortSignal | undefined,
  why?: (restored: string) => Reason,
): Promise<Outcome<Restored>> {
  const { stage, deps, target, order, work } = rollOut
  const { releases } = deps.store
  const [repo, environment] = [stage.run.repo, deps.environment.name]
  const lastLive = await releases.live(repo, environment)
  const previous = isSamePlace(lastLive?.order, order) ? lastLive : undefined
  const generation = await claimGeneration(stage, deps, order.generation)
  const previousOrder = previous?.order
  const restored = await target.restore({ failed: order, previous: previousOrder, generation }, work(restoreMs, own))
  if (restored.ok && restored.value.complete && previous)
    await releases.save(repo, environment, {
      ...previous,
      generation,
      state: 'live',
      at: deps.store.now().toISOString(),
      event: 'restore',
      ...(why ? { reason: stage.hide(why(restored.value.detail)) } : {}),
      repeats: previous.repeats ?? previous.generation,
    })
  return restored
}

/** Nothing is undone: what was there before goes on as far as the target keeps it, and people look at the rest. */
async function leave(rollOut: RollOut, { detail, explanation }: Failure): Promise<Outcome<never>> {
  const left = refuse('deploy_unhealthy', { detail, restored: 'it is left as it is, because rollback is false' })
  rollOut.stage.log.say(`not healthy: ${detail}; left as it is`)
  await save(rollOut, 'failed', { reason: left.reason, explanation })
  return left
}
