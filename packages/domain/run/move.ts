import type { Gate } from '../environment/gate.ts'
import { isInfrastructure } from '../fault.ts'
import type { Plan } from '../plan/plan.ts'
import { done, type Outcome, type Reason, reason, refuse } from '../reason.ts'
import { isWork, type RunEvent } from './event.ts'
import type { Stage } from './parts.ts'
import { changed, changeJob, changeRelease, endReleases, noteBuilt, notePublished } from './results.ts'
import { findStage, isPassed, isTerminal, neededWork, type Run, type RunState } from './run.ts'

/** Crashes after which a run is not tried again. */
export const crashLimit = 3

/**
 * The one writer of a run's state: what a run becomes by an event, or why it can't. Pure; the record then compares and sets.
 * @param now ISO 8601
 */
export function moveRun(run: Run, event: RunEvent, now: string): Outcome<Run> {
  const next = structuredClone(run)
  if (event.type === 'noted') {
    const { reason, test } = event
    const others = (run.notes ?? []).filter((note) => note.code !== reason.code || note.test !== test)
    next.notes = [...others, test === undefined ? reason : { ...reason, test }]
    return done(next)
  }
  if (isTerminal(run.state)) return refuse('run_not_cancellable', { state: run.state })
  if (run.state === 'queued' && isWork[event.type])
    return refuse('fenced', { attempt: run.attempt, current: run.attempt })
  switch (event.type) {
    case 'attempt_started':
      if (run.gate || (run.retryAt !== undefined && run.retryAt > now))
        return refuse('fenced', { attempt: run.attempt, current: run.attempt })
      delete next.retryAt
      next.state = 'running'
      next.holder = event.holder
      next.worker = event.worker
      next.startedAt ??= now
      return done(next)
    case 'handed_over':
      return done(run.supersededBy ? supersede(next, run.supersededBy, now) : release(next))
    case 'attempt_drained':
      return done(requeue(next))
    case 'worker_lost':
      return done(afterLoss(next, event, now))
    case 'commit_found':
      return done({ ...next, sha: event.sha })
    case 'planned':
      return done(addPlan(next, event.plan))
    case 'stage_started':
      return withStage(next, event.stage, (stage) => beginStage(stage, now))
    case 'stage_finished':
      return finishStage(next, event, now)
    case 'image_built':
      return done(noteBuilt(next, event))
    case 'image_published':
      return done(notePublished(next, event))
    case 'test_changed':
      next.tests = changed(run.tests, event.test, ({ name }) => name)
      return done(next)
    case 'artifact_kept':
      next.artifacts = changed(run.artifacts, event.artifact, ({ id }) => id)
      return done(next)
    case 'job_changed':
      return done(changeJob(next, event.job))
    case 'release_changed':
      return done(changeRelease(next, event))
    case 'gate_closed':
      return done(run.cancelRequestedBy ? cancel(next, run.cancelRequestedBy, now) : waitAt(next, event.gate))
    case 'gate_changed':
    case 'gate_opened':
    case 'approved':
    case 'rejected':
    case 'approval_expired':
      return moveAtGate(next, event, now)
    case 'cancel_requested':
      next.cancelRequestedBy = event.who
      return done(next)
    case 'cancelled':
      return done(cancel(next, event.who, now))
    case 'supersede_requested':
      // What is on its way to an environment is left to the order of releases there.
      if (neededWork(run) !== 'build') return refuse('run_not_cancellable', { state: run.state })
      return done({ ...next, supersededBy: event.by })
    case 'superseded':
      return done(supersede(next, event.by, now))
    case 'timed_out':
      return done(timeOut(next, event.seconds, now))
    default:
      return event satisfies never
  }
}

function addPlan(run: Run, plan: Plan): Run {
  run.plan = plan
  run.stages.push(
    ...plan.environments.map(({ name }): Stage => ({ name: 'deploy', environment: name, state: 'pending' })),
  )
  return run
}

const cancel = (run: Run, who: string, now: string): Run =>
  close(run, 'cancelled', reason('cancelled_by', { who }), now)
const supersede = (run: Run, by: string, now: string): Run =>
  close(run, 'superseded', reason('superseded', { by }), now)

function timeOut(run: Run, seconds: number, now: string): Run {
  const why = reason('timeout', { step: 'The run', seconds })
  for (const stage of run.stages)
    if (stage.state === 'running') Object.assign(stage, { state: 'failed', finishedAt: now, reason: why })
  return close(run, 'failed', why, now)
}

/** Nobody holds it; a roll-out that had not begun to change anything begins anew. */
function waitAt(run: Run, gate: Gate): Run {
  for (const stage of run.stages)
    if (stage.state === 'running') {
      stage.state = 'pending'
      delete stage.startedAt
    }
  run.gate = gate
  return release(run)
}

type GateEvent = Extract<
  RunEvent,
  { type: 'gate_changed' | 'gate_opened' | 'approved' | 'rejected' | 'approval_expired' }
>

/** What happens to a run that waits at a gate. */
function moveAtGate(run: Run, event: GateEvent, now: string): Outcome<Run> {
  const environment = event.type === 'gate_changed' ? event.gate.environment : event.environment
  const { gate } = run
  const isAsked = event.type === 'gate_changed' || event.type === 'gate_opened' || gate?.kind === 'approval'
  if (!gate || gate.environment !== environment || !isAsked) return refuse('run_not_waiting', { environment })
  const until = event.type === 'gate_changed' ? event.gate.since : now
  run.gatedMs = (run.gatedMs ?? 0) + Math.max(0, Date.parse(until) - Date.parse(gate.since))
  if (event.type === 'gate_changed') return done({ ...run, gate: event.gate })
  if (event.type === 'rejected' || event.type === 'approval_expired') return done(endAtGate(run, event, gate, now))
  if (event.type === 'approved') run.approvals = [...(run.approvals ?? []), { environment, who: event.who, at: now }]
  delete run.gate
  run.gatesPassed = (run.gatesPassed ?? 0) + 1
  return done(run)
}

function endAtGate(
  run: Run,
  event: Extract<GateEvent, { type: 'rejected' | 'approval_expired' }>,
  { environment, since }: Gate,
  now: string,
): Run {
  const isRejected = event.type === 'rejected'
  const why = isRejected
    ? reason('approval_rejected', { environment, who: event.who })
    : reason('approval_expired', { environment, since })
  const state = isRejected ? 'cancelled' : 'failed'
  for (const stage of run.stages)
    if (stage.environment === environment) Object.assign(stage, { state, finishedAt: now, reason: why })
  return close(run, state, why, now)
}

function release(run: Run): Run {
  delete run.holder
  delete run.worker
  return run
}

/** Back to the queue under the next attempt's number; finished stages keep their verdicts. */
function requeue(run: Run): Run {
  for (const stage of run.stages) if (stage.state === 'running') stage.state = 'pending'
  endTests(run)
  run.attempt += 1
  run.state = 'queued'
  return release(run)
}

function afterLoss(run: Run, event: { worker: string; since: string }, now: string): Run {
  run.crashes += 1
  for (const stage of run.stages) if (stage.state === 'running') stage.reason = reason('worker_lost', event)
  if (run.cancelRequestedBy) return cancel(run, run.cancelRequestedBy, now)
  if (run.supersededBy) return supersede(run, run.supersededBy, now)
  if (run.crashes >= crashLimit) return close(run, 'errored', reason('poisoned', { workers: run.crashes }), now)
  return requeue(run)
}

function withStage(run: Run, key: string, change: (stage: Stage) => void): Outcome<Run> {
  const stage = findStage(run, key)
  if (!stage) throw new Error(`run ${run.id} has no stage ${key}`)
  change(stage)
  return done(run)
}

function beginStage(stage: Stage, now: string): void {
  // Told with what was known of the run before: another attempt got further meanwhile.
  if (isPassed(stage)) return
  stage.state = 'running'
  stage.startedAt ??= now
}

function finishStage(run: Run, event: Extract<RunEvent, { type: 'stage_finished' }>, now: string): Outcome<Run> {
  const { reason: why, retryAt } = event
  if (why && retryAt !== undefined) {
    run.retries += 1
    run.retryAt = retryAt
    return withStage(requeue(run), event.stage, (stage) => {
      stage.reason = why
      stage.retries = (stage.retries ?? 0) + 1
    })
  }
  const moved = withStage(run, event.stage, (stage) => {
    stage.state = event.state
    stage.startedAt ??= now
    stage.finishedAt = now
    if (event.reason) stage.reason = event.reason
    else delete stage.reason
  })
  if (event.state === 'failed' || event.state === 'errored')
    return done(
      close(run, event.reason && isInfrastructure(event.reason.code) ? 'errored' : event.state, event.reason, now),
    )
  const open = run.stages.some((stage) => stage.state === 'pending' || stage.state === 'running')
  return open ? moved : done(close(run, 'succeeded', undefined, now))
}

/** Ends the run: what was open is closed with it, what never began is skipped. */
function close(run: Run, state: Exclude<RunState, 'queued' | 'running'>, why: Reason | undefined, now: string): Run {
  run.state = state
  run.finishedAt = now
  delete run.gate
  delete run.retryAt
  if (why) run.reason = why
  const isVerdict = state === 'succeeded' || state === 'failed' || state === 'errored'
  for (const stage of run.stages) {
    if (stage.state === 'running')
      Object.assign(stage, { state: isVerdict ? 'cancelled' : state, finishedAt: now, ...(why ? { reason: why } : {}) })
    if (stage.state === 'pending') stage.state = isVerdict ? 'skipped' : state
  }
  endTests(run)
  endReleases(run)
  return release(run)
}

function endTests(run: Run): void {
  for (const test of run.tests ?? []) if (test.state === 'running') test.state = 'cancelled'
}
