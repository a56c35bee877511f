import type { Explanation } from '@taxiway/domain/environment/explanation.ts'
import type { FoundObject, Release, ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Restored } from '@taxiway/domain/environment/target.ts'
import { isRetryable } from '@taxiway/domain/fault.ts'
import { type Outcome, type Reason, reason, refuse } from '@taxiway/domain/reason.ts'
import type { RunRelease } from '@taxiway/domain/run/parts.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import type { RollOut } from '../roll-out.ts'
import { claimGeneration, save } from './record.ts'
import { chooseWayBack, jobsThatRan, liveHere } from './way-back.ts'

/** Why a release is taken back. */
export interface Failure {
  detail: string
  explanation?: Explanation | undefined
  /** The refusal of the target, if it was one. */
  fault?: Reason
}

const callsMs = 5 * 60_000
/** How long the way back may take, its soak apart: what the environment gives a release, and never less than 5 minutes. */
const restoreMs = ({ deps }: RollOut): number => Math.max(callsMs, deps.environment.timeoutMs)

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
 * Gives the environment its last healthy release again, under a new generation, and says how that went; what goes wrong there
 * puts a hold on the environment. Where the pipeline wants no rollback, a failed release is left as it is. That it is on its way
 * stands on the record, so whoever comes after a lost deployer goes on with it, and does not roll out anew what has failed.
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
  const { previous, note } = await chooseWayBack(rollOut)
  // The stage has its run as it was when the stage began, before the jobs.
  const { jobs } = (await deps.store.runs.read(stage.run.id).catch(() => undefined)) ?? stage.run
  const told = (words: string) => `${words}${note}${jobsThatRan(jobs, deps.environment.name)}`
  const soakMs = previous ? (deps.environment.soakMs ?? 0) : 0
  const untilMs = restoreMs(rollOut) + soakMs
  const restored = await putBack(rollOut, previous, {
    soakMs,
    deadlineMs: untilMs,
    own: isCancelled ? AbortSignal.timeout(untilMs) : undefined,
    why: (words) => unhealthy(told(words)),
  })
  const outcome = restored.ok
    ? restored.value.detail
    : `and it could not be restored: ${restored.reason.message.replace(/\.$/, '')}`
  const isComplete = restored.ok && restored.value.complete
  const isTriedAgain = fault !== undefined && !restored.ok && isRetryable(fault.code)
  const held = isComplete || isTriedAgain ? '' : await holdAfter(rollOut)
  const why = fault && !restored.ok ? fault : unhealthy(`${told(outcome)}${held}`)
  await tell(rollOut, isComplete ? 'restored' : 'failed', { reason: why, explanation })
  return { ok: false, reason: why }
}

/** Nothing good stands there: nobody but a person lets the next release begin. */
async function holdAfter({ stage, deps }: RollOut): Promise<string> {
  const { run } = stage
  const { name } = deps.environment
  await deps.store.environments.putHold(
    run.repo,
    name,
    `run #${run.number} (${run.sha.slice(0, 7)}) failed, and so did the way back`,
  )
  stage.log.say(`${name} is on hold now: later releases wait until a person lifts it`)
  return `; ${name} is on hold until a person lifts it`
}

/**
 * Leaves the environment to a newer release. What stands beside goes first: the newer one may yet be found not to be valid,
 * and then nobody would take it away.
 */
export async function giveWay(rollOut: RollOut, isBeside: boolean): Promise<void> {
  if (isBeside) {
    rollOut.stage.log.say('a newer release is wanted; taking back what stands beside')
    const deadlineMs = restoreMs(rollOut)
    await putBack(rollOut, await liveHere(rollOut), { deadlineMs, own: AbortSignal.timeout(deadlineMs) })
  }
  await save(rollOut, 'superseded')
}

interface PutBack {
  deadlineMs: number
  soakMs?: number
  /** Ends it, instead of what ends the roll-out. */
  own: AbortSignal | undefined
  /** Says in the history why the earlier release is there again, given how that went. */
  why?: (restored: string) => Reason
}

/** What was there before the release is not taken away with it. */
const withoutFound = (order: ReleaseOrder, found: readonly FoundObject[]): ReleaseOrder => ({
  ...order,
  objects: order.objects.filter((one) =>
    found.every(({ object }) => object.kind !== one.kind || object.metadata.name !== one.metadata.name),
  ),
})

/** Has the target give this release again. */
async function putBack(
  rollOut: RollOut,
  previous: Release | undefined,
  { deadlineMs, soakMs = 0, own, why }: PutBack,
): Promise<Outcome<Restored>> {
  const { stage, deps, target, order, work, found } = rollOut
  const { releases } = deps.store
  const [repo, environment] = [stage.run.repo, deps.environment.name]
  const generation = await claimGeneration(stage, deps, order.generation)
  const restored = await target.restore(
    { failed: withoutFound(order, found), previous: previous?.order, generation, soakMs },
    work(deadlineMs, own),
  )
  if (!restored.ok || !restored.value.complete || !previous) return restored
  const { down: _, ...kept } = previous
  await releases.save(repo, environment, {
    ...kept,
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
