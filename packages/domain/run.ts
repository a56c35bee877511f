import type { ReleaseState, RunArtifact, RunBase, RunEvent, RunJob, RunTest } from './event.ts'
import type { Explanation } from './explanation.ts'
import type { Gate } from './gate.ts'
import type { RepositoryId, RunId, Sha } from './ids.ts'
import type { Plan, PlanEvent } from './plan.ts'
import { done, isInfrastructure, isRetryable, type Outcome, type Reason, reason, refuse } from './reason.ts'
import type { RollOutEvent } from './roll-out.ts'

/**
 * What may follow each state of a run.
 * queued: accepted by the api, or given back after its worker was lost or drained; a worker moves it on; a crash leaves it as it is.
 * running: a worker holds it, or it waits between builder and deployer, or at a gate; a crash of its worker makes it queued again at the next attempt.
 * The others are final: nothing moves a run on from there.
 */
export const moves = {
  queued: ['running', 'errored', 'cancelled', 'superseded'],
  running: ['queued', 'succeeded', 'failed', 'errored', 'cancelled', 'superseded'],
  succeeded: [],
  failed: [],
  errored: [],
  cancelled: [],
  superseded: [],
} as const satisfies Record<string, readonly string[]>
export type RunState = keyof typeof moves
export const runStates = Object.keys(moves) as RunState[]
export const isTerminal = (state: RunState): boolean => moves[state].length === 0

export const stageStates = [
  'pending',
  'running',
  'succeeded',
  'failed',
  'errored',
  'cancelled',
  'superseded',
  'skipped',
] as const
export type StageState = (typeof stageStates)[number]

/** A stage's key is its name, or `deploy:<environment>`. */
export const buildStages = ['checkout', 'build', 'test', 'publish'] as const

export interface Stage {
  name: string
  environment?: string
  state: StageState
  startedAt?: string
  finishedAt?: string
  reason?: Reason
}
export interface RunImage {
  name: string
  imageId?: string
  digest?: string
  reference?: string
  /** Digest of an earlier run's image that was taken because nothing it is made of changed. */
  reusedFrom?: string
  /** Number of that run. */
  reusedRun?: number
  /** Digest of its provenance statement in the registry. */
  provenance?: string
  /** Who its containers run as, as the image says it; empty for root. */
  user?: string
  bases?: RunBase[]
}
export interface RunRelease {
  environment: string
  generation: number
  state: ReleaseState
  reason?: Reason
  /** How far it is on its way: `canary 25 %`. */
  progress?: string
  /** Why it did not become healthy, in full. */
  explanation?: Explanation
}

/** Who let a release begin. */
export interface RunApproval {
  environment: string
  who: string
  at: string
}
/** What a person asked for: the run that made it, and for a promotion or rollback the release that is given again. */
export interface RunAsked {
  who: string
  runId: RunId
  number: number
  environment?: string
  generation?: number
}

/** Where a run of a pull request comes from. */
export interface PullRequest {
  number: number
  /** Branch that it wants into. */
  base: string
  /** From another repository than the one it wants into. */
  fork: boolean
}

/** One execution of a pipeline for one commit, as the record holds it. */
export interface Run {
  id: RunId
  /** Per repository, from 1. */
  number: number
  /** Order of intake over all runs: newer pushes have larger ones. */
  sequence: number
  /** Rises with every write; the compare in compare-and-set. */
  version: number
  repo: RepositoryId
  repository: string
  event: PlanEvent | 'rerun' | RollOutEvent
  sha: Sha
  branch: string
  tag?: string
  pullRequest?: PullRequest
  /** False for code that no member has approved: it gets no secrets and is never deployed. */
  trusted?: boolean
  /** Values of a manual run. */
  inputs?: Record<string, string>
  /** Where its push moved the branch from, */
  before?: Sha
  /** and whether that lost commits: the branch was set back. */
  forced?: boolean
  /** Files that changed, if the git host told all of them. */
  changed?: string[]
  defaultBranch?: string
  message: string
  author: string
  state: RunState
  reason?: Reason
  /** What a person should know though it changes no verdict. */
  notes?: Reason[]
  attempt: number
  /** Who works on it now; only that one may write. */
  holder?: string
  worker?: string
  /** Workers lost while they held this run. */
  crashes: number
  /** Automatic retries after a fault of the infrastructure. */
  retries: number
  cancelRequestedBy?: string
  /** The newer run that wants its place. */
  supersededBy?: string
  /** Where it waits before an environment; then nobody holds it. */
  gate?: Gate
  /** Gates that opened so far. */
  gatesPassed?: number
  /** How long it waited at them, in milliseconds. */
  gatedMs?: number
  approvals?: RunApproval[]
  /** Who wants what an earlier run made in an environment. */
  asked?: RunAsked
  plan?: Plan
  stages: Stage[]
  images: RunImage[]
  tests?: RunTest[]
  artifacts?: RunArtifact[]
  releases: RunRelease[]
  jobs?: RunJob[]
  createdAt: string
  startedAt?: string
  finishedAt?: string
}

/** What intake knows of a new run; number, sequence and version come from the record. */
export type NewRun = Omit<Run, 'number' | 'sequence' | 'version'>

/** A queued run for a pushed commit. */
export function newRun(
  from: Pick<Run, 'id' | 'repo' | 'repository' | 'event' | 'sha' | 'branch' | 'message' | 'author'> &
    Partial<
      Pick<Run, 'defaultBranch' | 'tag' | 'pullRequest' | 'trusted' | 'inputs' | 'changed' | 'before' | 'forced'>
    >,
  now: string,
): NewRun {
  const stages = buildStages.map((name): Stage => ({ name, state: 'pending' }))
  return {
    ...from,
    state: 'queued',
    attempt: 1,
    crashes: 0,
    retries: 0,
    stages,
    images: [],
    releases: [],
    createdAt: now,
  }
}

export const stageKey = (stage: Stage): string =>
  stage.environment === undefined ? stage.name : `${stage.name}:${stage.environment}`
export const findStage = (run: Pick<Run, 'stages'>, key: string): Stage | undefined =>
  run.stages.find((stage) => stageKey(stage) === key)

/** The run's time limit in seconds, when it has taken longer than that since its first attempt began. */
export function overdueSeconds({ plan, startedAt, gatedMs = 0 }: Run, nowMs: number): number | undefined {
  if (plan?.timeoutMs === undefined || startedAt === undefined) return undefined
  return nowMs - Date.parse(startedAt) - gatedMs > plan.timeoutMs ? plan.timeoutMs / 1000 : undefined
}

/** Crashes after which a run is not tried again. */
export const crashLimit = 3

/** Which worker the run needs next, or undefined: it is over, or waits at a gate. */
export function neededWork(run: Pick<Run, 'state' | 'stages' | 'gate'>): 'build' | 'deploy' | undefined {
  if (isTerminal(run.state) || run.gate) return undefined
  const isBuilt = buildStages.every((name) => isPassed(findStage(run, name)))
  return isBuilt ? 'deploy' : 'build'
}

/** Is the stage behind the run, with nothing left to do? */
export const isPassed = (stage: Stage | undefined): boolean =>
  stage?.state === 'succeeded' || stage?.state === 'skipped'

/** The next stage to deploy, in the pipeline's order. */
export const nextDeployStage = (run: Run): Stage | undefined =>
  run.stages.find(
    (stage) => stage.environment !== undefined && (stage.state === 'pending' || stage.state === 'running'),
  )

/**
 * The one writer of a run's state: what a run becomes by an event, or why it can't. Pure; the record then compares and sets.
 * @param now ISO 8601
 */
export function moveRun(run: Run, event: RunEvent, now: string): Outcome<Run> {
  const next = structuredClone(run)
  if (event.type === 'noted') {
    next.notes = [...(run.notes ?? []).filter((note) => note.code !== event.reason.code), event.reason]
    return done(next)
  }
  if (isTerminal(run.state)) return refuse('run_not_cancellable', { state: run.state })
  // Work is told only by who holds the run.
  if (
    run.state === 'queued' &&
    /^(stage_|handed_|test_|artifact_|image_|job_|attempt_drained|worker_lost|timed_out|gate_closed)/.test(event.type)
  )
    return refuse('fenced', { attempt: run.attempt, current: run.attempt })
  switch (event.type) {
    case 'attempt_started':
      if (run.gate) return refuse('fenced', { attempt: run.attempt, current: run.attempt })
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
    case 'planned':
      return done(addPlan(next, event.plan))
    case 'stage_started':
      return withStage(next, event.stage, (stage) => {
        stage.state = 'running'
        stage.startedAt ??= now
      })
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

function finishStage(run: Run, event: Extract<RunEvent, { type: 'stage_finished' }>, now: string): Outcome<Run> {
  if (event.reason && isRetryable(event.reason.code) && run.retries < 1) {
    run.retries += 1
    return withStage(requeue(run), event.stage, (stage) => {
      if (event.reason) stage.reason = event.reason
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

/** The list with the item in the place of the one of the same key, else at its end. */
function changed<T>(list: T[] = [], item: T, keyOf: (item: T) => string): T[] {
  const isKnown = list.some((known) => keyOf(known) === keyOf(item))
  return isKnown ? list.map((known) => (keyOf(known) === keyOf(item) ? item : known)) : [...list, item]
}

/** In the order of the plan, whichever was built first. */
const imageOf = (run: Run, name: string): RunImage => {
  const known = run.images.find((image) => image.name === name)
  if (known) return known
  const image: RunImage = { name }
  const order = run.plan?.images.map((planned) => planned.name) ?? []
  run.images = [...run.images, image].sort((one, other) => order.indexOf(one.name) - order.indexOf(other.name))
  return image
}

/** Another image than before has not been published yet. */
function noteBuilt(run: Run, event: Extract<RunEvent, { type: 'image_built' }>): Run {
  const { imageId, reusedFrom, reusedRun, bases } = event
  const known = imageOf(run, event.image)
  const same = known.imageId === imageId ? known : { name: known.name }
  const built: RunImage = {
    ...same,
    imageId,
    ...(reusedFrom ? { reusedFrom } : {}),
    ...(reusedRun ? { reusedRun } : {}),
    ...(bases ? { bases } : {}),
  }
  run.images[run.images.indexOf(known)] = built
  return run
}

function notePublished(run: Run, event: Extract<RunEvent, { type: 'image_published' }>): Run {
  const { digest, reference, provenance, user } = event
  const more = { ...(provenance ? { provenance } : {}), ...(user === undefined ? {} : { user }) }
  Object.assign(imageOf(run, event.image), { digest, reference, ...more })
  return run
}

const changeJob = (run: Run, job: RunJob): Run => ({
  ...run,
  jobs: changed(run.jobs, job, ({ environment, when, name }) => `${environment} ${when} ${name}`),
})

function changeRelease(run: Run, event: Extract<RunEvent, { type: 'release_changed' }>): Run {
  const { type: _, ...release } = event
  run.releases = [
    ...run.releases.filter((known) => known.generation !== event.generation || known.environment !== event.environment),
    release,
  ]
  return run
}

/** Ends the run: what was open is closed with it, what never began is skipped. */
function close(run: Run, state: Exclude<RunState, 'queued' | 'running'>, why: Reason | undefined, now: string): Run {
  run.state = state
  run.finishedAt = now
  delete run.gate
  if (why) run.reason = why
  const isVerdict = state === 'succeeded' || state === 'failed' || state === 'errored'
  for (const stage of run.stages) {
    if (stage.state === 'running')
      Object.assign(stage, { state: isVerdict ? 'cancelled' : state, finishedAt: now, ...(why ? { reason: why } : {}) })
    if (stage.state === 'pending') stage.state = isVerdict ? 'skipped' : state
  }
  endTests(run)
  return release(run)
}

function endTests(run: Run): void {
  for (const test of run.tests ?? []) if (test.state === 'running') test.state = 'cancelled'
}
