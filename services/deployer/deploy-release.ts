import type { PlannedEnvironment } from '@taxiway/domain/plan-environment.ts'
import { done, type Outcome, type Reason } from '@taxiway/domain/reason.ts'
import { patiently } from '@taxiway/store/connection.ts'
import { type StageContext, Superseded } from '@taxiway/store/stage.ts'
import type { DeployerDeps } from './deploy-run.ts'
import { holdLane, type Lane } from './lane.ts'
import { readManifests } from './manifests.ts'
import { checkPolicy } from './policy.ts'
import { claimGeneration, save } from './release-record.ts'
import { render } from './render.ts'
import { failureOf, restore, takenBack } from './restore-release.ts'
import type { ReleaseOrder, Target, Verdict, Work } from './target.ts'

export interface ReleaseDeps extends DeployerDeps {
  token: string | undefined
  environment: PlannedEnvironment
  /** Who holds the run, and the environment while it is rolled out. */
  holder: string
}
/** Everything one roll-out works with. */
export interface RollOut {
  stage: StageContext
  deps: ReleaseDeps
  target: Target
  order: ReleaseOrder
  lane: Lane
  work(deadlineMs: number, signal?: AbortSignal): Work
}

/** What a single question to the target may take; an apply of all objects. */
const callMs = 60_000
const applyMs = 3 * 60_000

/** Rolls one release out to one environment: render, check, apply, watch, and restore what was before when it fails. */
export async function deployRelease(stage: StageContext, deps: ReleaseDeps): Promise<Outcome<void>> {
  const lane = await holdLane(stage, deps)
  const signal = AbortSignal.any([stage.signal, lane.signal])
  const work = (deadlineMs: number, own = signal): Work => ({ deadlineMs, signal: own, say: stage.log.say })
  try {
    const target = await deps.targets.choose(stage.run.repo, work(callMs))
    if (!target.ok) return target
    stage.log.say(`target ${target.value.kind}, namespace ${deps.environment.namespace}`)
    const ended = await goOn({ stage, deps, target: target.value, lane, work })
    if (ended) return ended
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

/** A release that an earlier attempt of this run was taking back is taken back to the end; one that was, stays so. */
async function goOn(rest: Omit<RollOut, 'order'>): Promise<Outcome<void> | undefined> {
  const { stage, deps } = rest
  const last = takenBack(stage.run, deps.environment.name)
  if (last?.state === 'restored' && last.reason) return { ok: false, reason: last.reason }
  const kept =
    last && (await patiently(() => deps.store.releases.at(stage.run.repo, deps.environment.name, last.generation)))
  if (!last || !kept) return undefined
  stage.log.say(`going on to take back release ${last.generation}`)
  const rollOut = { ...rest, order: kept.order as ReleaseOrder }
  return restore(rollOut, failureOf(last)).catch((error) => closeBroken(rollOut, error))
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

/** Apply, watch and soak, with the record of the release kept at every step. */
async function rollOut(rollOut: RollOut): Promise<Outcome<void>> {
  const { target, order, work, stage } = rollOut
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
        ? await failed(rollOut, applied.reason)
        : await restore(rollOut, { detail: applied.reason.message.replace(/\.$/, ''), fault: applied.reason })
    const verdict = await becomeHealthy(rollOut)
    if (!verdict.ok) return await failed(rollOut, verdict.reason)
    if (!verdict.value.healthy) return await restore(rollOut, verdict.value)
  } catch (error) {
    await closeBroken(rollOut, error)
  }
  await save(rollOut, 'live')
  await removeLeftovers(rollOut)
  return done(undefined)
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

/** What was left in the middle by a wish or a newer release. @throws the error again */
async function closeBroken(rollOut: RollOut, error: unknown): Promise<never> {
  const { lane, stage } = rollOut
  // A newer release is about to be applied over this one; whoever cancels wants what was before.
  if (lane.supersededBy()) await save(rollOut, 'superseded')
  else if (stage.signal.reason === 'cancelled') await restore(rollOut, { detail: 'cancelled while it was rolled out' })
  throw error
}

/** Removes what earlier releases had. That it went wrong, or was held, makes no release worse. */
async function removeLeftovers({ target, order, work, deps, stage }: RollOut): Promise<void> {
  const { prune: how = 'careful' } = deps.environment
  if (how === 'none') return
  const pruned = await target.prune(order, work(callMs), how)
  if (pruned.ok) return
  stage.log.say(`what earlier releases left was not removed: ${pruned.reason.message}`)
  if (pruned.reason.code === 'prune_held') await stage.record({ type: 'noted', reason: pruned.reason })
}

async function failed(rollOut: RollOut, why: Reason): Promise<Outcome<never>> {
  await save(rollOut, 'failed', { reason: why })
  return { ok: false, reason: why }
}
