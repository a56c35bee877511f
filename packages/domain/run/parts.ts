import type { Explanation } from '../environment/explanation.ts'
import type { Digest } from '../ids.ts'
import type { Reason } from '../reason.ts'

/** What an image was made from. */
export interface RunBase {
  /** host/name:tag, or the name of another image of the run. */
  name: string
  /** Its digest; the id of its configuration, where `isImageId`, for what was never in a registry. */
  digest?: Digest
  isImageId?: boolean
}
/** A case of a test's report that failed. */
export interface TestFailure {
  name: string
  message: string
  file?: string
  line?: number
  /** What came with the message, in lines. */
  stack?: string
}
/** How a test of a run stands. */
export const testStates = ['running', 'passed', 'failed', 'skipped', 'cancelled'] as const
export interface RunTest {
  name: string
  state: (typeof testStates)[number]
  /** From 1; more than one that ends `passed` is a flaky test. */
  tries: number
  flaky?: boolean
  /** It failed, and that was allowed. */
  allowed?: boolean
  durationMs?: number
  reason?: Reason
  /** From its JUnit report. */
  counts?: { total: number; failed: number; skipped: number }
  failures?: TestFailure[]
}
/** A file that a test left for people. */
export interface RunArtifact {
  id: string
  test: string
  /** In the container. */
  path: string
  /** Of the file that is downloaded: a folder is kept as one archive. */
  name?: string
  bytes: number
  expiresAt: string
}

/** How a job of a release stands; one that has ended is never run again by the same run. */
export const jobStates = ['running', 'passed', 'failed'] as const
export const jobTurns = ['before', 'after_live'] as const
export type JobTurn = (typeof jobTurns)[number]
export interface RunJob {
  environment: string
  when: JobTurn
  name: string
  state: (typeof jobStates)[number]
  durationMs?: number
  reason?: Reason
}

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
  /** Tries again after faults of the infrastructure. */
  retries?: number
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
  /** What was wrong with it, while what was before is being restored. */
  failure?: string
}
