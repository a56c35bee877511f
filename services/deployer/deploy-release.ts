import type { ReleaseState } from '@taxiway/domain/event.ts'
import type { Explanation } from '@taxiway/domain/explanation.ts'
import type { PlannedEnvironment } from '@taxiway/domain/plan-environment.ts'
import { done, type Outcome, type Reason, refuse } from '@taxiway/domain/reason.ts'
import { patiently } from '@taxiway/store/connection.ts'
import { Fenced, type StageContext, Superseded } from '@taxiway/store/stage.ts'
import type { DeployerDeps } from './deploy-run.ts'
import { holdLane, type Lane } from './lane.ts'
import { readManifests } from './manifests.ts'
import { checkPolicy } from './policy.ts'
import { render } from './render.ts'
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
    const target = await deps.targets.choose(stage.run.repo, work(callMs))
    if (!target.ok) return target
    stage.log.say(`target ${target.value.kind}, namespace ${deps.environment.namespace}`)
    const order = await makeOrder(stage, deps, target.value, work(callMs))
    if (!order.ok) return order
    const outcome = await rollOut({ stage, deps, target: target.value, order: order.value, lane, work })
    // Stale in the target is what being superseded looks like from there.
    if (!outcome.ok && outcome.reason.code === 'stale_generation') {
      await lane.look()
      signal.throwIfAborted()
    }
    return outcome
  } catch (error) {
    const by = lane.supersededBy()
    if (by) throw new Superseded(by)
    throw error
  } finally {
    await lane.leave()
  }
}

/** Manifests of the commit, with digests put in, under the next generation; checked against what is allowed here. */
async function makeOrder(
  stage: StageContext,
  deps: ReleaseDeps,
  target: Target,
  work: Work,
): Promise<Outcome<ReleaseOrder>> {
  const { run } = stage
  const { environment } = deps
  const documents = await readManifests(stage, deps)
  if (!documents.ok) return documents
  const place = { repositoryId: run.repo, environment: environment.name, namespace: environment.namespace }
  const live = await target.live(place, work)
  if (!live.ok) return live
  const generation = await claimGeneration(stage, deps, live.value?.generation ?? 0)
  const release = { ...place, repositoryName: run.repository, runId: run.id, sha: run.sha, generation }
  const references = Object.fromEntries(
    run.images.flatMap(({ name, reference }) => (reference ? [[name, reference]] : [])),
  )
  const allowed = checkPolicy(documents.value, environment.namespace)
  if (!allowed.ok) return allowed
  const rendered = render(allowed.value, { ...release, references })
  if (!rendered.ok) return rendered
  return done({ ...release, ...rendered.value })
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
        : await restore(rollOut, { detail: applied.reason.message.replace(/\.$/, ''), fault: applied.reason })
    const verdict = await target.watch(order, work(deps.environment.timeoutMs))
    if (!verdict.ok) return failed(rollOut, verdict.reason)
    if (!verdict.value.healthy) return await restore(rollOut, verdict.value)
    stage.log.say(`healthy: ${verdict.value.ready}`)
  } catch (error) {
    // A newer release is about to be applied over this one; whoever cancels wants what was before.
    if (lane.supersededBy()) await save(rollOut, 'superseded')
    else if (stage.signal.reason === 'cancelled')
      await restore(rollOut, { detail: 'cancelled while it was rolled out' })
    throw error
  }
  await save(rollOut, 'live')
  const pruned = await target.prune(order, work(callMs))
  if (!pruned.ok) stage.log.say(`what earlier releases left could not be removed: ${pruned.reason.message}`)
  return done(undefined)
}

/** Why a release is taken back. */
interface Failure {
  detail: string
  explanation?: Explanation
  /** The refusal of the target, if it was one. */
  fault?: Reason
}

/** Gives the environment its last healthy release again, under a new generation, and says how that went. */
async function restore(rollOut: RollOut, { detail, explanation, fault }: Failure): Promise<Outcome<void>> {
  const { stage, deps, target, order, work } = rollOut
  const { releases } = deps.store
  const [repo, environment] = [stage.run.repo, deps.environment.name]
  stage.log.say(`not healthy: ${detail}; restoring`)
  const previous = await patiently(() => releases.live(repo, environment))
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
    await patiently(() => releases.save(repo, environment, { ...previous, generation, state: 'live' }))
  const state = restored.ok && restored.value.complete ? 'restored' : 'failed'
  await save(rollOut, state, fault ?? reason.reason, explanation).catch((error) => {
    if (!own) throw error
  })
  return fault && !restored.ok ? { ok: false, reason: fault } : reason
}

async function failed(rollOut: RollOut, why: Reason): Promise<Outcome<never>> {
  await save(rollOut, 'failed', why)
  return { ok: false, reason: why }
}

/** Keeps the release, and tells the run. */
async function save(
  { stage, deps, target, order }: RollOut,
  state: ReleaseState,
  why?: Reason,
  explanation?: Explanation,
): Promise<void> {
  const { run } = stage
  const environment = deps.environment.name
  await stage.record({
    type: 'release_changed',
    environment,
    generation: order.generation,
    state,
    ...(why ? { reason: why } : {}),
    ...(explanation ? { explanation } : {}),
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
      order,
    }),
  )
}
