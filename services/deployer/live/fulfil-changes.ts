import type { Change } from '@taxiway/domain/environment/change.ts'
import type { LiveRelease } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { isInfrastructure } from '@taxiway/domain/fault.ts'
import { type Outcome, type Reason, reason, refuse } from '@taxiway/domain/reason.ts'
import { hideReason } from '@taxiway/domain/run/hide-event.ts'
import type { EnvironmentRef } from '@taxiway/store/environments/seen.ts'
import { hiddenValues } from '@taxiway/worker/hidden-values.ts'
import type { WatchDeps } from '../roll-out.ts'
import { type BorrowedLane, borrowLane } from '../turn/borrow-lane.ts'
import { deleteEnvironment } from './delete-environment.ts'
import { readLive } from './read-live.ts'

/** How long one change may take, and how long it may wait until it can be begun. */
const changeMs = 60_000
const expiresMinutes = 10

/**
 * One pass over all changes that people wait for. Each is done under its environment's lane, so never beside a roll-out and
 * by one deployer only; one that a deployer died over is done again, which changes nothing twice.
 */
export function makeFulfil(deps: WatchDeps): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    const open = await deps.store.changes.open()
    await Promise.all(
      open.map(async (environment) => {
        if (await isElsewhere(deps, environment)) return
        const borrowed = await borrowLane(deps.store, environment, signal, (lane) => fulfil(deps, environment, lane))
        if (borrowed === undefined) await expire(deps, environment, 'a roll-out is under way')
      }),
    )
  }
}

async function isElsewhere({ config, store, targets }: WatchDeps, environment: EnvironmentRef): Promise<boolean> {
  if (config.serves.length === 0) return false
  const live = await readLive(store, environment)
  return (await targets.elsewhere(environment.repo, live?.order.cluster)) !== undefined
}

/** @returns true: undefined would say that the lane was not to be had */
async function fulfil(deps: WatchDeps, environment: EnvironmentRef, lane: BorrowedLane): Promise<true> {
  const waiting = await deps.store.changes.waiting(environment)
  if (waiting.length === 0) await deps.store.changes.settle(environment)
  for (const change of waiting) {
    const outcome = await carryOut(deps, environment, change, lane)
    // Nothing is left to write it to.
    if (change.kind === 'delete' && outcome.ok) return true
    if (!outcome.ok && isInfrastructure(outcome.reason.code) && outcome.reason.code !== 'stale_generation') {
      await expire(deps, environment, outcome.reason.message.replace(/\.$/, ''))
      return true
    }
    await end(deps, environment, change, outcome.ok ? undefined : outcome.reason)
  }
  return true
}

async function carryOut(
  deps: WatchDeps,
  environment: EnvironmentRef,
  change: Change,
  lane: BorrowedLane,
): Promise<Outcome<void>> {
  const { store, targets } = deps
  const live = await readLive(store, environment)
  if ((live?.generation ?? 0) !== change.generation) return refuse('change_overtaken')
  const secretValues = (names: readonly string[]) => store.repositorySecrets.some(environment.repo, names)
  const work: Work = { deadlineMs: changeMs, signal: lane.signal, say: () => undefined, secretValues }
  if (change.kind === 'delete') return deleteEnvironment(deps, environment, change, lane, work)
  if (!live) return refuse('change_overtaken')
  const target = await targets.choose(environment.repo, live.order.cluster, work)
  if (!target.ok) return target
  const { workload = '', replicas, at } = change
  return replicas === undefined
    ? target.value.restart(live, { workload, at }, work)
    : scale({ store, environment, lane, live, target: target.value }, { workload, replicas }, work)
}

/** Kept first: so a look in between, or a correction after a crash, takes the new number for what is wanted. */
async function scale(
  {
    store,
    environment,
    lane,
    live,
    target,
  }: Pick<WatchDeps, 'store'> & { environment: EnvironmentRef; lane: BorrowedLane; live: LiveRelease; target: Target },
  { workload, replicas }: { workload: string; replicas: number },
  work: Work,
): Promise<Outcome<void>> {
  const keep = (wanted: number | undefined) =>
    store.changes.setByHand(environment, lane.holder, { generation: live.generation, workload, replicas: wanted })
  if (!(await keep(replicas))) return refuse('change_overtaken')
  const scaled = await target.scale(
    { ...live, byHand: { ...live.byHand, [workload]: replicas } },
    { workload, replicas },
    work,
  )
  if (!scaled.ok) await keep(live.byHand[workload])
  return scaled
}

/** Ends what has waited too long, with what it waited for. */
async function expire(deps: WatchDeps, environment: EnvironmentRef, detail: string): Promise<void> {
  const latestMs = deps.store.now().getTime() - expiresMinutes * 60_000
  for (const change of await deps.store.changes.waiting(environment))
    if (Date.parse(change.at) < latestMs)
      await end(deps, environment, change, reason('change_expired', { minutes: expiresMinutes, detail }))
}

async function end(
  { store, config }: WatchDeps,
  environment: EnvironmentRef,
  change: Change,
  why: Reason | undefined,
): Promise<void> {
  const secrets = why ? await hiddenValues(store, environment.repo, config.registry) : []
  await store.changes.finish(environment, {
    ...change,
    state: why ? 'refused' : 'done',
    finishedAt: store.now().toISOString(),
    ...(why ? { reason: hideReason(secrets, why) } : {}),
  })
}
