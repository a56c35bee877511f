import { closedGate, type Gate, hasBegun, isExpired } from '@taxiway/domain/environment/gate.ts'
import type { PlannedEnvironment } from '@taxiway/domain/plan/environment.ts'
import { ruledAs } from '@taxiway/domain/plan/preview.ts'
import type { RunEvent } from '@taxiway/domain/run/event.ts'
import { isTerminal, type Run } from '@taxiway/domain/run/run.ts'
import { dispatch } from '@taxiway/store/runs/dispatch.ts'
import type { Store } from '@taxiway/store/store.ts'
import { Left } from '@taxiway/worker/end.ts'
import { describeRun, placeAmong } from './lane.ts'

/**
 * The gate that keeps the run from its next environment; undefined when it may begin there. A rollback waits at none, and a
 * roll-out that has begun goes on: half of it stands already.
 * @throws Left when a newer run has come as far
 */
export async function gateBefore(store: Store, run: Run, environment: PlannedEnvironment): Promise<Gate | undefined> {
  if (run.event === 'rollback' || hasBegun(run, environment.name)) return undefined
  const place = await placeAmong(store, run)
  const newest = await store.releases.reachGate(run, environment.name, place)
  if (newest !== run.id) throw new Left({ end: 'superseded', by: await describeRun(store, newest) })
  return closed(store, run, environment)
}

async function closed(store: Store, run: Run, environment: PlannedEnvironment): Promise<Gate | undefined> {
  const [rules, hold] = await Promise.all([
    store.environments.rules(run.repo, ruledAs(environment)),
    store.environments.hold(run.repo, environment.name),
  ])
  return closedGate({ run, environment, rules, hold, nowMs: store.now().getTime() })
}

/**
 * One pass over all runs that wait at a gate: those whose time has come, or whose rule has changed, go on; those that nobody
 * approved in time, or that a newer run has followed, end. Every deployer runs it; the record lets only one of them act.
 */
export function makeGatekeeper(store: Store) {
  return async function keepGatesOnce(signal: AbortSignal): Promise<void> {
    for (const { id, work, isHeld } of await store.runs.open()) {
      if (signal.aborted) return
      if (work === undefined && !isHeld) await lookAt(store, await store.runs.read(id))
    }
  }
}

async function lookAt(store: Store, run: Run | undefined): Promise<void> {
  if (!run?.gate) return
  const event = await whatNext(store, run, run.gate)
  if (!event) return
  // Only while it still waits there: a person may have approved it in this moment.
  const moved = await store.runs.move(run.id, event, { attempt: run.attempt }, run)
  if (!moved.ok) return
  if (isTerminal(moved.value.state)) await store.logs.expire(run.id)
  await dispatch(store.queue, moved.value)
}

async function whatNext(store: Store, run: Run, gate: Gate): Promise<RunEvent | undefined> {
  if (run.cancelRequestedBy) return { type: 'cancelled', who: run.cancelRequestedBy }
  const environment = run.plan?.environments.find(({ name }) => name === gate.environment)
  if (!environment) return undefined
  const newest = await store.releases.reachGate(run, environment.name, await placeAmong(store, run))
  if (newest !== run.id) return { type: 'superseded', by: await describeRun(store, newest) }
  const now = await closed(store, run, environment)
  if (!now) return { type: 'gate_opened', environment: environment.name }
  if (isExpired(now, store.now().getTime())) return { type: 'approval_expired', environment: environment.name }
  return JSON.stringify(now) === JSON.stringify(gate) ? undefined : { type: 'gate_changed', gate: now }
}
