import Type from 'typebox'
import { Explanation } from '../environment/explanation.ts'
import type { Digest } from '../ids.ts'
import { ReasonSchema, When, words } from '../schemas.ts'

/** What an image was made from. */
export interface RunBase {
  /** host/name:tag, or the name of another image of the run. */
  name: string
  /** Its digest; the id of its configuration, where `isImageId`, for what was never in a registry. */
  digest?: Digest
  isImageId?: boolean
}
/** How a test of a run stands. */
export const testStates = ['running', 'passed', 'failed', 'skipped', 'cancelled'] as const
export const RunTest = Type.Object({
  name: Type.String(),
  state: words(testStates),
  /** From 1; more than one that ends `passed` is a flaky test. */
  tries: Type.Integer(),
  flaky: Type.Optional(Type.Boolean()),
  /** It failed, and that was allowed. */
  allowed: Type.Optional(Type.Boolean()),
  durationMs: Type.Optional(Type.Number()),
  reason: Type.Optional(ReasonSchema),
  /** From its JUnit report. */
  counts: Type.Optional(Type.Object({ total: Type.Integer(), failed: Type.Integer(), skipped: Type.Integer() })),
  failures: Type.Optional(
    Type.Array(
      Type.Object({
        name: Type.String(),
        message: Type.String(),
        file: Type.Optional(Type.String()),
        line: Type.Optional(Type.Number()),
        /** What came with the message, in lines. */
        stack: Type.Optional(Type.String()),
      }),
    ),
  ),
})
export type RunTest = Type.Static<typeof RunTest>

/** A file that a test left for people. */
export const RunArtifact = Type.Object({
  id: Type.String(),
  test: Type.String(),
  path: Type.String({ description: 'In the container.' }),
  name: Type.Optional(Type.String({ description: 'Of the file; a folder is kept as one archive.' })),
  bytes: Type.Integer(),
  expiresAt: When,
})
export type RunArtifact = Type.Static<typeof RunArtifact>

/** How a job of a release stands; one that has ended is never run again by the same run. */
export const jobStates = ['running', 'passed', 'failed'] as const
export const jobTurns = ['before', 'after_live'] as const
export type JobTurn = (typeof jobTurns)[number]
export const RunJob = Type.Object({
  environment: Type.String(),
  when: words(jobTurns),
  name: Type.String(),
  state: words(jobStates),
  durationMs: Type.Optional(Type.Number()),
  reason: Type.Optional(ReasonSchema),
})
export type RunJob = Type.Static<typeof RunJob>

/** How far a release has come in its environment. */
export const releaseStates = ['applying', 'live', 'restoring', 'restored', 'failed', 'superseded'] as const
export type ReleaseState = (typeof releaseStates)[number]

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

/** A stage's key is its name, or `deploy:<environment>`. */
export const buildStages = ['checkout', 'build', 'test', 'publish'] as const

/** What is shown of a stage, */
export const ShownStage = Type.Object({
  name: Type.String(),
  environment: Type.Optional(Type.String()),
  state: words(stageStates),
  startedAt: Type.Optional(When),
  finishedAt: Type.Optional(When),
  reason: Type.Optional(ReasonSchema),
})
/** and what is kept. */
export interface Stage extends Type.Static<typeof ShownStage> {
  /** Tries again after faults of the infrastructure. */
  retries?: number
}

/** What is shown of an image, */
export const ShownImage = Type.Object({
  name: Type.String(),
  digest: Type.Optional(Type.String()),
  reference: Type.Optional(Type.String()),
  /** Digest of an earlier run's image that was taken because nothing it is made of changed. */
  reusedFrom: Type.Optional(Type.String()),
  reusedRun: Type.Optional(Type.Integer({ description: 'Number of the run that built it.' })),
  /** Digest of its provenance statement in the registry. */
  provenance: Type.Optional(Type.String()),
})
/** and what is kept. */
export interface RunImage extends Type.Static<typeof ShownImage> {
  imageId?: string
  /** Who its containers run as, as the image says it; empty for root. */
  user?: string
  bases?: RunBase[]
}

/** What is shown of a release, */
export const ShownRelease = Type.Object({
  environment: Type.String(),
  generation: Type.Integer(),
  state: words(releaseStates),
  reason: Type.Optional(ReasonSchema),
  progress: Type.Optional(Type.String({ description: 'How far it is on its way: canary 25 %.' })),
  /** Why it did not become healthy, in full. */
  explanation: Type.Optional(Explanation),
})
/** and what is kept. */
export interface RunRelease extends Type.Static<typeof ShownRelease> {
  /** What was wrong with it, while what was before is being restored. */
  failure?: string
}
