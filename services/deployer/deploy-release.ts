import type { ReleaseState } from '@taxiway/domain/event.ts'
import type { PlannedEnvironment } from '@taxiway/domain/plan-environment.ts'
import { done, isInfrastructure, type Outcome, type Reason, refuse } from '@taxiway/domain/reason.ts'
import type { Run } from '@taxiway/domain/run.ts'
import { patiently } from '@taxiway/store/connection.ts'
import { Fenced, Gated, type StageContext, Superseded } from '@taxiway/store/stage.ts'
import type { DeployerDeps } from './deploy-run.ts'
import { gateBefore } from './gates.ts'
import { holdLane, type Lane } from './lane.ts'
import { readManifests } from './manifests.ts'
import { choosePlace, type Place } from './place.ts'
import { checkPolicy } from './policy.ts'
import { render, stamp } from './render.ts'
import { storedOrder } from './stored-order.ts'
import type { ReleaseOrder, Target, Work } from './target.ts'

export interface ReleaseDeps extends DeployerDeps {
  token: string | undefined
  environment: PlannedEnvironment
  /** Who holds the run, and the environment while it is rolled out. */
  holder: string
}
/** Everything one roll-out works with. */
interface RollOut {
  stage: StageContext
  deps: ReleaseDeps
  target: Target
  order: ReleaseOrder
  lane: Lane
  work(deadlineMs: number, signal?: AbortSignal): Work
}

/** What a single question to the target may take; an apply of all objects; a restore. */
const callMs = 60_000
const applyMs = 3 * 60_000
const restoreMs = 5 * 60_000

/** Rolls one release out to one environment: render, check, apply, watch, and restore what was before when it fails. */
export async function deployRelease(stage: StageContext, deps: ReleaseDeps): Promise<Outcome<void>> {
  const lane = await holdLane(stage, deps)
  const signal = AbortSignal.any([stage.signal, lane.signal])
  const work = (deadlineMs: number, own = signal): Work => ({ deadlineMs, signal: own, say: stage.log.say })
  try {
    // A hold or freeze may have come while it waited for the lane.
    const gate = await gateBefore(deps.store, stage.run, deps.environment)
    if (gate) throw new Gated(gate)
    const place = await choosePlace(deps, stage.run.repo, deps.environment, work(callMs))
    if (!place.ok) return place
    const { target, cluster, namespace } = place.value
    stage.log.say(`target ${target.kind}${cluster ? `, cluster ${cluster}` : ''}, namespace ${namespace}`)
    const order = await makeOrder(stage, deps, place.value, work(callMs))
    if (!order.ok) return order
    const outcome = await rollOut({ stage, deps, target, order: order.value, lane, work })
    // Stale in the target is what being superseded looks like from there.
    if (!outcome.ok && outcome.reason.code === 'stale_generation') {
      await lane.look()
      signal.throwIfAborted()
    }
    await noteOutcome(stage, deps, order.value.generation, outcome)
    return outcome
  } catch (error) {
    const by = lane.supersededBy()
    if (by) throw new Superseded(by)
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
    const release = await patiently(() => store.releases.read(run.repo, environment.name, generation))
    const { code } = release?.reason ?? outcome.reason
    if (isInfrastructure(code) || code.startsWith('manifest_')) return
  }
  const failure = outcome.ok ? undefined : `run #${run.number} (${run.sha.slice(0, 7)})`
  const isHeld = await patiently(() => store.environments.noteOutcome(run.repo, environment.name, run.id, failure))
  if (isHeld) log.say(`${environment.name} is on hold now: later releases wait until a person lifts it`)
}

/** Manifests of the commit, with digests put in, under the next generation; checked against what is allowed here. */
async function makeOrder(
  stage: StageContext,
  deps: ReleaseDeps,
  place: Place,
  work: Work,
): Promise<Outcome<ReleaseOrder>> {
  const { run } = stage
  const { environment } = deps
  const { target, namespace, cluster, rules, isShared } = place
  if (run.event === 'rollback') return makeRollback(stage, deps, place, work)
  const documents = await readManifests(stage, deps)
  if (!documents.ok) return documents
  const where = { repositoryId: run.repo, environment: environment.name, namespace, ...(cluster ? { cluster } : {}) }
  const live = await target.live(where, work)
  if (!live.ok) return live
  const generation = await claimGeneration(stage, deps, live.value?.generation ?? 0)
  const release = { ...where, repositoryName: run.repository, runId: run.id, sha: run.sha, generation }
  const references = Object.fromEntries(
    run.images.flatMap(({ name, reference }) => (reference ? [[name, reference]] : [])),
  )
  const allowed = checkPolicy(documents.value, namespace, { ...rules, isShared })
  if (!allowed.ok) return allowed
  const rendered = render(allowed.value, { ...release, references })
  if (!rendered.ok) return rendered
  return done({ ...release, ...rendered.value })
}

/** What an earlier release had, under the next generation. */
async function makeRollback(
  stage: StageContext,
  deps: ReleaseDeps,
  place: Place,
  work: Work,
): Promise<Outcome<ReleaseOrder>> {
  const order = await storedOrder(stage, deps, place)
  if (!order.ok) return order
  const live = await place.target.live(order.value, work)
  if (!live.ok) return live
  return done(stamp(order.value, await claimGeneration(stage, deps, live.value?.generation ?? 0)))
}

/** @throws Fenced when another attempt rolls out to the environment by now */
async function claimGeneration(
  { run }: StageContext,
  { store, environment, holder }: ReleaseDeps,
  live: number,
): Promise<number> {
  const generation = await patiently(() => store.releases.claimGeneration(run.repo, environment.name, holder, live))
  if (generation === undefined) throw new Fenced(`the roll-out to ${environment.name} is another attempt's by now`)
  return generation
}

/** Apply and watch, with the record of the release kept at every step. */
async function rollOut(rollOut: RollOut): Promise<Outcome<void>> {
  const { target, order, work, deps, lane, stage } = rollOut
  await save(rollOut, 'applying')
  const checked = await target.dryRun(order, work(callMs))
  if (!checked.ok) return failed(rollOut, checked.reason)
  try {
    stage.log.say(
      `applying release ${order.generation}: ${order.objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`).join(', ')}`,
    )
    const applied = await target.apply(order, work(applyMs))
    if (!applied.ok)
      return applied.reason.code === 'stale_generation'
        ? failed(rollOut, applied.reason)
        : restore(rollOut, applied.reason.message.replace(/\.$/, ''), applied.reason)
    const verdict = await target.watch(order, work(deps.environment.timeoutMs))
    if (!verdict.ok) return failed(rollOut, verdict.reason)
    if (!verdict.value.healthy) return await restore(rollOut, verdict.value.detail)
    stage.log.say(`healthy: ${verdict.value.ready}`)
  } catch (error) {
    // A newer release is about to be applied over this one; whoever cancels wants what was before.
    if (lane.supersededBy()) await save(rollOut, 'superseded')
    else if (stage.signal.reason === 'cancelled') await restore(rollOut, 'cancelled while it was rolled out')
    throw error
  }
  await save(rollOut, 'live')
  const pruned = await target.prune(order, work(callMs))
  if (!pruned.ok) stage.log.say(`what earlier releases left could not be removed: ${pruned.reason.message}`)
  return done(undefined)
}

/** Gives the environment its last healthy release again, under a new generation, and says how that went. */
async function restore(rollOut: RollOut, detail: string, fault?: Reason): Promise<Outcome<void>> {
  const { stage, deps, target, order, work } = rollOut
  const { releases } = deps.store
  const [repo, environment] = [stage.run.repo, deps.environment.name]
  stage.log.say(`not healthy: ${detail}; restoring`)
  const lastLive = await patiently(() => releases.live(repo, environment))
  const previous = isSamePlace(lastLive?.order as ReleaseOrder | undefined, order) ? lastLive : undefined
  const generation = await claimGeneration(stage, deps, order.generation)
  const previousOrder = previous?.order as ReleaseOrder | undefined
  // The wish to cancel must not stop the way back.
  const own = stage.signal.reason === 'cancelled' ? AbortSignal.timeout(restoreMs) : undefined
  const restored = await target.restore({ failed: order, previous: previousOrder, generation }, work(restoreMs, own))
  const outcome = restored.ok
    ? restored.value.detail
    : `and it could not be restored: ${restored.reason.message.replace(/\.$/, '')}`
  const reason = refuse('deploy_unhealthy', { detail, restored: outcome })
  if (restored.ok && restored.value.complete && previous)
    await patiently(() =>
      releases.save(repo, environment, {
        ...previous,
        generation,
        state: 'live',
        at: deps.store.now().toISOString(),
        event: 'restore',
        reason: stage.hide(reason.reason),
        repeats: previous.repeats ?? previous.generation,
      }),
    )
  await save(rollOut, restored.ok && restored.value.complete ? 'restored' : 'failed', fault ?? reason.reason).catch(
    (error) => {
      if (!own) throw error
    },
  )
  return fault && !restored.ok ? { ok: false, reason: fault } : reason
}

/** What was live in another namespace or cluster is still there, and is nothing to put here. */
const isSamePlace = (one: ReleaseOrder | undefined, other: ReleaseOrder): boolean =>
  one?.namespace === other.namespace && one.cluster === other.cluster

async function failed(rollOut: RollOut, why: Reason): Promise<Outcome<never>> {
  await save(rollOut, 'failed', why)
  return { ok: false, reason: why }
}

/** Keeps the release, and tells the run. */
async function save({ stage, deps, target, order }: RollOut, state: ReleaseState, why?: Reason): Promise<void> {
  const { run } = stage
  const environment = deps.environment.name
  await stage.record({
    type: 'release_changed',
    environment,
    generation: order.generation,
    state,
    ...(why ? { reason: why } : {}),
  })
  await patiently(() =>
    deps.store.releases.save(run.repo, environment, {
      runId: run.id,
      sequence: run.sequence,
      sha: run.sha,
      generation: order.generation,
      state,
      target: target.kind,
      at: deps.store.now().toISOString(),
      ...historyOf(run, environment),
      ...(why ? { reason: stage.hide(why) } : {}),
      ...(deps.environment.drift ? { drift: deps.environment.drift } : {}),
      order,
    }),
  )
}

/** What the list of releases tells of where one came from. */
function historyOf(run: Run, environment: string) {
  const approval = run.approvals?.find((one) => one.environment === environment)
  return {
    event: run.event,
    runNumber: run.number,
    who: run.asked?.who ?? run.author,
    ...(approval ? { approvedBy: approval.who } : {}),
    ...(run.event === 'rollback' && run.asked?.generation ? { repeats: run.asked.generation } : {}),
  }
}
