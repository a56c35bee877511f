import type { ReleaseState, RunArtifact, RunBase, RunEvent, RunTest } from './event.ts'
import type { RepositoryId, RunId, Sha } from './ids.ts'
import type { Plan, PlanEvent } from './plan.ts'
import { done, isInfrastructure, isRetryable, type Outcome, type Reason, reason, refuse } from './reason.ts'

/**
 * What may follow each state of a run.
 * queued: accepted by the api, or given back after its worker was lost or drained; a worker moves it on; a crash leaves it as it is.
 * running: a worker holds it, or it waits between builder and deployer; a crash makes it queued again at the next attempt.
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
  bases?: RunBase[]
}
export interface RunRelease {
  environment: string
  generation: number
  state: ReleaseState
  reason?: Reason
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
  event: PlanEvent | 'rerun'
  sha: Sha
  branch: string
  tag?: string
  pullRequest?: PullRequest
  /** False for code that no member has approved: it gets no secrets and is never deployed. */
  trusted?: boolean
  /** Values of a manual run. */
  inputs?: Record<string, string>
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
  plan?: Plan
  stages: Stage[]
  images: RunImage[]
  tests?: RunTest[]
  artifacts?: RunArtifact[]
  releases: RunRelease[]
  createdAt: string
  startedAt?: string
  finishedAt?: string
}

/** What intake knows of a new run; number, sequence and version come from the record. */
export type NewRun = Omit<Run, 'number' | 'sequence' | 'version'>

/** A queued run for a pushed commit. */
export function newRun(
  from: Pick<Run, 'id' | 'repo' | 'repository' | 'event' | 'sha' | 'branch' | 'message' | 'author'> &
    Partial<Pick<Run, 'defaultBranch' | 'tag' | 'pullRequest' | 'trusted' | 'inputs' | 'changed'>>,
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
export const findStage = (run: Run, key: string): Stage | undefined =>
  run.stages.find((stage) => stageKey(stage) === key)

/** The run's time limit in seconds, when it has taken longer than that since its first attempt began. */
export function overdueSeconds({ plan, startedAt }: Run, nowMs: number): number | undefined {
  if (plan?.timeoutMs === undefined || startedAt === undefined) return undefined
  return nowMs - Date.parse(startedAt) > plan.timeoutMs ? plan.timeoutMs / 1000 : undefined
}

/** Crashes after which a run is not tried again. */
export const crashLimit = 3

/** Which worker the run needs next, or undefined: it is over. */
export function neededWork(run: Run): 'build' | 'deploy' | undefined {
  if (isTerminal(run.state)) return undefined
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
    /^(stage_|handed_|test_|artifact_|image_|attempt_drained|worker_lost|timed_out)/.test(event.type)
  )
    return refuse('fenced', { attempt: run.attempt, current: run.attempt })
  switch (event.type) {
    case 'attempt_started':
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
      next.plan = event.plan
      next.stages.push(
        ...event.plan.environments.map(({ name }): Stage => ({ name: 'deploy', environment: name, state: 'pending' })),
      )
      return done(next)
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
      Object.assign(imageOf(next, event.image), {
        digest: event.digest,
        reference: event.reference,
        ...(event.provenance ? { provenance: event.provenance } : {}),
      })
      return done(next)
    case 'test_changed':
      next.tests = changed(run.tests, event.test, ({ name }) => name)
      return done(next)
    case 'artifact_kept':
      next.artifacts = changed(run.artifacts, event.artifact, ({ id }) => id)
      return done(next)
    case 'release_changed':
      return done(changeRelease(next, event))
    case 'cancel_requested':
      next.cancelRequestedBy = event.who
      return done(next)
    case 'cancelled':
      return done(close(next, 'cancelled', reason('cancelled_by', { who: event.who }), now))
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

const supersede = (run: Run, by: string, now: string): Run =>
  close(run, 'superseded', reason('superseded', { by }), now)

function timeOut(run: Run, seconds: number, now: string): Run {
  const why = reason('timeout', { step: 'The run', seconds })
  for (const stage of run.stages)
    if (stage.state === 'running') Object.assign(stage, { state: 'failed', finishedAt: now, reason: why })
  return close(run, 'failed', why, now)
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
  if (run.cancelRequestedBy) return close(run, 'cancelled', reason('cancelled_by', { who: run.cancelRequestedBy }), now)
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
