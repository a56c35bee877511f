import Type from 'typebox'
import { type Gate, RunApproval } from '../environment/gate.ts'
import type { RepositoryId, RunId, Sha } from '../ids.ts'
import type { Plan } from '../plan/plan.ts'
import type { Reason } from '../reason.ts'
import { ReasonSchema, When, words } from '../schemas.ts'
import type { PlanEvent, RollOutEvent } from './cause.ts'
import {
  buildStages,
  RunArtifact,
  type RunImage,
  RunJob,
  type RunRelease,
  RunTest,
  ShownImage,
  ShownRelease,
  ShownStage,
  type Stage,
} from './parts.ts'

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
/** A run of one pipeline for one commit, as it is shown. */
export const ShownRun = Type.Object({
  id: Type.Unsafe<RunId>(Type.String()),
  /** Per repository, from 1. */
  number: Type.Integer(),
  /** Order of intake over all runs: newer pushes have larger ones. */
  sequence: Type.Integer(),
  repo: Type.Unsafe<RepositoryId>(Type.String({ description: 'Id of the repository.' })),
  repository: Type.String({ description: 'owner/name' }),
  event: Type.Unsafe<PlanEvent | 'rerun' | RollOutEvent>(Type.String()),
  sha: Type.Unsafe<Sha>(Type.String()),
  branch: Type.String(),
  tag: Type.Optional(Type.String()),
  /** Where a run of a pull request comes from: the branch that it wants into, and whether it is another repository's. */
  pullRequest: Type.Optional(Type.Object({ number: Type.Integer(), base: Type.String(), fork: Type.Boolean() })),
  /** False for code that no member has approved: it gets no secrets and is never deployed. */
  trusted: Type.Optional(Type.Boolean()),
  /** Values of a manual run. */
  inputs: Type.Optional(Type.Record(Type.String(), Type.String())),
  cancelRequestedBy: Type.Optional(Type.String()),
  message: Type.String(),
  author: Type.String(),
  state: words(runStates),
  reason: Type.Optional(ReasonSchema),
  /** What a person should know though it changes no verdict. */
  notes: Type.Optional(Type.Array(ReasonSchema)),
  approvals: Type.Optional(Type.Array(RunApproval)),
  asked: Type.Optional(
    Type.Object(
      {
        who: Type.String(),
        runId: Type.Unsafe<RunId>(Type.String({ description: 'The run whose images it has.' })),
        number: Type.Integer({ description: 'Of that run.' }),
        environment: Type.Optional(Type.String({ description: 'Where the release was promoted from.' })),
        generation: Type.Optional(Type.Integer({ description: 'The release that is given again.' })),
        adopt: Type.Optional(Type.Boolean({ description: 'What others made is taken over.' })),
      },
      { description: 'A promotion, a deploy by hand or a rollback: who asked for what.' },
    ),
  ),
  attempt: Type.Integer(),
  createdAt: When,
  startedAt: Type.Optional(When),
  finishedAt: Type.Optional(When),
  stages: Type.Array(ShownStage),
  images: Type.Array(ShownImage),
  tests: Type.Optional(Type.Array(RunTest)),
  artifacts: Type.Optional(Type.Array(RunArtifact)),
  releases: Type.Array(ShownRelease),
  jobs: Type.Optional(Type.Array(RunJob)),
})
type ShownRun = Type.Static<typeof ShownRun>

/** The same as the record holds it. */
export interface Run extends ShownRun {
  /** Rises with every write; the compare in compare-and-set. */
  version: number
  /** Where its push moved the branch from, */
  before?: Sha
  /** and whether that lost commits: the branch was set back. */
  forced?: boolean
  /** Files that changed, if the git host told all of them. */
  changed?: string[]
  defaultBranch?: string
  /** Who works on it now; only that one may write. */
  holder?: string
  worker?: string
  /** Workers lost while they held this run. */
  crashes: number
  /** Automatic retries after a fault of the infrastructure. */
  retries: number
  /** Nobody takes it before: its last try met such a fault. */
  retryAt?: string
  /** The newer run that wants its place. */
  supersededBy?: string
  /** Where it waits before an environment; then nobody holds it. */
  gate?: Gate
  /** Gates that opened so far. */
  gatesPassed?: number
  /** How long it waited at them, in milliseconds. */
  gatedMs?: number
  plan?: Plan
  notes?: (Reason & { test?: string })[]
  stages: Stage[]
  images: RunImage[]
  releases: RunRelease[]
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
