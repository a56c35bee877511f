import type { Verdict } from '@taxiway/domain/environment/release.ts'
import { inWaves } from '@taxiway/domain/environment/waves.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { isOfRelease } from '@taxiway/domain/fault.ts'
import { strategyMs } from '@taxiway/domain/plan/strategy.ts'
import { done, type Outcome, type Reason } from '@taxiway/domain/reason.ts'
import { Left } from '@taxiway/worker/end.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { makeOrder } from './order/make-order.ts'
import { choosePlace } from './order/place.ts'
import { claimPreview } from './preview/claim.ts'
import { tellDiff } from './release/diff.ts'
import { findOthers, keepFound } from './release/found.ts'
import { runJobs } from './release/jobs.ts'
import { noteServices } from './release/note-services.ts'
import { save, tell } from './release/record.ts'
import { failureOf, giveWay, restore, takenBack } from './release/restore.ts'
import { noteDown } from './release/way-back.ts'
import type { Ordered, ReleaseDeps, RollOut } from './roll-out.ts'
import { gateBefore } from './turn/gates.ts'
import { holdLane } from './turn/lane.ts'

/** What a single question to the target may take; an apply of all objects. */
const callMs = 60_000
const applyMs = 3 * 60_000

/** Rolls one release out to one environment: render, check, apply, watch, and restore what was before when it fails. */
export async function deployRelease(stage: StageContext, deps: ReleaseDeps): Promise<Outcome<void>> {
  const lane = await holdLane(stage, deps)
  const signal = AbortSignal.any([stage.signal, lane.signal])
  const secretValues = (names: readonly string[]) => deps.store.repositorySecrets.some(stage.run.repo, names)
  const work = (deadlineMs: number, own = signal): Work => ({
    deadlineMs,
    signal: own,
    say: stage.log.say,
    secretValues,
  })
  try {
    // A hold or freeze may have come while it waited for the lane.
    const gate = await gateBefore(deps.store, stage.run, deps.environment)
    if (gate) throw new Left({ end: 'parked', gate })
    const place = await choosePlace(deps, stage.run.repo, deps.environment, work(callMs))
    if (!place.ok) return place
    const claimed = await claimPreview(stage, deps, place.value)
    if (!claimed.ok) return claimed
    const { target, cluster, namespace } = place.value
    stage.log.say(`target ${target.kind}${cluster ? `, cluster ${cluster}` : ''}, namespace ${namespace}`)
    const ended = await goOn({ stage, deps, target, lane, work, found: [], told: Promise.resolve() })
    if (ended) {
      await noteOutcome(stage, deps, takenBack(stage.run, deps.environment.name)?.generation ?? 0, ended)
      return ended
    }
    const order = await makeOrder(stage, deps, place.value, work(callMs))
    if (!order.ok) return order
    const found = await findOthers(deps, target, order.value.order, work(callMs))
    if (!found.ok) return found
    await tellDiff(stage, deps, order.value.order, found.value)
    const rest = { stage, deps, target: inWaves(target), lane, work, found: found.value, told: Promise.resolve() }
    const outcome = await rollOut({ ...rest, ...order.value })
    // Stale in the target is what being superseded looks like from there.
    if (!outcome.ok && outcome.reason.code === 'stale_generation') {
      await lane.look()
      signal.throwIfAborted()
    }
    await noteOutcome(stage, deps, order.value.order.generation, outcome)
    return outcome
  } catch (error) {
    const by = lane.supersededBy()
    if (by) throw new Left({ end: 'superseded', by })
    throw error
  } finally {
    await lane.leave()
  }
}

/**
 * Releases that fail one after another put a hold on the environment. What never reached it doesn't count, nor what the
 * infrastructure did; a rollback says nothing about what is pushed.
 */
async function noteOutcome(
  { run, log }: StageContext,
  { store, environment }: ReleaseDeps,
  generation: number,
  outcome: Outcome<void>,
): Promise<void> {
  if (run.event === 'rollback') return
  if (!outcome.ok) {
    // The release knows what began it: a fault of the engine that was made good is told as `deploy_unhealthy`.
    const release = await store.releases.read(run.repo, environment.name, generation)
    const { code } = release?.reason ?? outcome.reason
    if (!isOfRelease(code)) return
  }
  const failure = outcome.ok ? undefined : `run #${run.number} (${run.sha.slice(0, 7)})`
  const isHeld = await store.environments.noteOutcome(run.repo, environment.name, run.id, failure)
  if (isHeld) log.say(`${environment.name} is on hold now: later releases wait until a person lifts it`)
}

/** A release that an earlier attempt of this run was taking back is taken back to the end; one that was, stays so. */
async function goOn(rest: Omit<RollOut, keyof Ordered>): Promise<Outcome<void> | undefined> {
  const { stage, deps } = rest
  const last = takenBack(stage.run, deps.environment.name)
  if (last?.state === 'restored' && last.reason) return { ok: false, reason: last.reason }
  const kept = last && (await deps.store.releases.read(stage.run.repo, deps.environment.name, last.generation))
  if (!last || !kept) return undefined
  stage.log.say(`going on to take back release ${last.generation}`)
  const rollOut = { ...rest, order: kept.order, jobs: [] }
  const isBeside = rollOut.order.strategy !== undefined
  return restore(rollOut, failureOf(last)).catch((error) => closeBroken(rollOut, error, isBeside))
}

/** Steps if there are any, apply, watch and soak, with the record of the release kept all the way. */
async function rollOut(rollOut: RollOut): Promise<Outcome<void>> {
  const { target, order, work, stage } = rollOut
  await noteDown(rollOut)
  await save(rollOut, 'applying')
  const checked = await target.dryRun(order, work(callMs))
  if (!checked.ok) return failed(rollOut, checked.reason)
  await noteServices(rollOut)
  const before = await runBefore(rollOut)
  if (!before.ok) return failed(rollOut, before.reason)
  await keepFound(rollOut)
  let isBeside = order.strategy !== undefined
  try {
    const advanced = await throughSteps(rollOut)
    if (!advanced.ok) return await refused(rollOut, advanced.reason)
    if (!advanced.value.healthy) return await restore(rollOut, advanced.value)
    isBeside = false
    stage.log.say(
      `applying release ${order.generation}: ${order.objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`).join(', ')}`,
    )
    const applied = await target.apply(order, work(applyMs))
    if (!applied.ok) return await refused(rollOut, applied.reason)
    const verdict = await becomeHealthy(rollOut)
    if (!verdict.ok) return await failed(rollOut, verdict.reason)
    if (!verdict.value.healthy) return await restore(rollOut, verdict.value)
    const after = await runJobs(rollOut, 'after_live')
    if (!after.ok) return await restore(rollOut, { detail: after.reason.message.replace(/\.$/, '') })
  } catch (error) {
    await closeBroken(rollOut, error, isBeside)
  }
  await save(rollOut, 'live')
  await removeLeftovers(rollOut)
  return done(undefined)
}

/** What runs before anything is switched; whatever ends it, there is nothing to restore. */
const runBefore = (rollOut: RollOut): Promise<Outcome<void>> =>
  runJobs(rollOut, 'before').catch(async (error) => {
    if (rollOut.lane.supersededBy()) await save(rollOut, 'superseded')
    else if (rollOut.stage.signal.reason === 'cancelled') await save(rollOut, 'failed')
    throw error
  })

/** The new version beside the old one, measured, where the pipeline wants that. */
async function throughSteps(rollOut: RollOut): Promise<Outcome<Verdict>> {
  const { target, order, work } = rollOut
  if (!order.strategy) return done({ healthy: true, ready: 'it has no steps' })
  const advanced = await target.advance(order, {
    ...work(strategyMs(order.strategy)),
    tell: (progress) => tell(rollOut, progress),
  })
  if (advanced.ok && advanced.value.healthy) tell(rollOut, 'taking over')
  return advanced
}

/** Healthy, and so for as long as the pipeline asks. */
async function becomeHealthy({ target, order, work, deps, stage }: RollOut): Promise<Outcome<Verdict>> {
  const { timeoutMs, soakMs } = deps.environment
  const verdict = await target.watch(order, work(timeoutMs))
  if (!verdict.ok || !verdict.value.healthy) return verdict
  stage.log.say(`healthy: ${verdict.value.ready}`)
  if (!soakMs) return verdict
  stage.log.say(`it must stay so for ${soakMs / 1000} s`)
  return target.soak(order, soakMs, work(soakMs + timeoutMs))
}

/** What was begun in the target can't go on; unless somebody newer is there, what was before is restored. */
const refused = (rollOut: RollOut, why: Reason): Promise<Outcome<void>> =>
  why.code === 'stale_generation'
    ? failed(rollOut, why)
    : restore(rollOut, { detail: why.message.replace(/\.$/, ''), fault: why })

/** What was left in the middle by a wish or a newer release. @throws the error again */
async function closeBroken(rollOut: RollOut, error: unknown, isBeside: boolean): Promise<never> {
  const { lane, stage } = rollOut
  // A newer release is about to be applied over this one; whoever cancels wants what was before.
  if (lane.supersededBy()) await giveWay(rollOut, isBeside)
  else if (stage.signal.reason === 'cancelled') await restore(rollOut, { detail: 'cancelled while it was rolled out' })
  throw error
}

/** Removes what earlier releases had. That it went wrong, or was held, makes no release worse. */
async function removeLeftovers({ target, order, work, deps, stage }: RollOut): Promise<void> {
  const { prune: how = 'careful' } = deps.environment
  const pruned = await target.prune(order, work(callMs), how)
  if (pruned.ok) return
  stage.log.say(`what earlier releases left was not removed: ${pruned.reason.message}`)
  if (pruned.reason.code === 'prune_held') await stage.record({ type: 'noted', reason: pruned.reason })
}

async function failed(rollOut: RollOut, why: Reason): Promise<Outcome<never>> {
  await save(rollOut, 'failed', { reason: why })
  return { ok: false, reason: why }
}
