import type { Strategy } from '../plan/strategy.ts'
import type { JobTurn } from '../run/parts.ts'
import type { DriftMode } from './drift.ts'
import type { Explanation } from './explanation.ts'
import type { WorkloadState } from './state.ts'

/** One object of a manifest after rendering: plain JSON, kept in the record as it is. */
export interface RenderedObject {
  apiVersion: string
  kind: string
  metadata: {
    name: string
    namespace?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
    [key: string]: unknown
  }
  [key: string]: unknown
}

/** What an environment is to be given. Plain JSON: stored with the release, and enough to give it again. */
export interface ReleaseOrder {
  repositoryId: string
  /** owner/name */
  repositoryName: string
  environment: string
  namespace: string
  /** The cluster that was named for it, if one was. */
  cluster?: string
  /** Number of the pull request that it is the preview of. */
  preview?: number
  runId: string
  sha: string
  /** Larger than that of every release before it in this environment. */
  generation: number
  objects: RenderedObject[]
  /** References with digest (`registry/prefix/name@sha256:…`) that the run built and the objects use. */
  digests: string[]
  /** By which steps it takes over; a target that can't carry them refuses it. Default: at once, as the target does. */
  strategy?: Strategy
  /** What pods are given of the repository's secrets: names only, values are asked for when they are needed. */
  secrets?: SecretSet[]
  /** Only the objects whose turn has come by then (see waves.ts); all without it. Not stored. */
  upTo?: number
}

/** Commands that run once for a release: a Job as the cluster would have it, with a name that no other run's has. */
export interface ReleaseJob {
  name: string
  when: JobTurn
  object: RenderedObject
  timeoutMs: number
}
/** How a job ended. `detail` is half a sentence: `exit 3`, `it ran longer than 60 s`. */
export type JobEnd = { passed: true } | { passed: false; detail: string }
/** Takes the output of a job as it comes; a promise holds it back. */
export type OnOutput = (chunk: Buffer) => void | Promise<void>

/** Some secrets of the repository under a name of their own, which no other run has. */
export interface SecretSet {
  name: string
  keys: string[]
}

/**
 * What watching came to. `detail` is one sentence without a full stop: `web: crash loop, exit 1: DATABASE_URL missing`; the
 * explanation holds all that is known. Neither is masked yet.
 */
export type Verdict = { healthy: true; ready: string } | { healthy: false; detail: string; explanation?: Explanation }

/** A release that is live. */
export interface LiveRelease {
  /** As it was stored when it became so; the generation in it is that of its first roll-out. */
  order: ReleaseOrder
  /** Under which it is live now: a restored release has another than its order. */
  generation: number
  /** `Kind/name` -> replicas that a person chose since. */
  byHand: Readonly<Record<string, number>>
  drift: DriftMode
}

/** What is there of a live release. */
export interface Observed {
  /** Of the release that the target was given last; 0: none. */
  generation: number
  runId: string
  workloads: WorkloadState[]
  /** `Kind/name` of what is there -> a fingerprint of all that should not change by itself. */
  prints: ReadonlyMap<string, string>
}

/** The order with the replicas that people chose. */
export const chosen = ({ order, byHand }: LiveRelease): ReleaseOrder => ({
  ...order,
  objects: order.objects.map((object) => {
    const replicas = byHand[`${object.kind}/${object.metadata.name}`]
    return replicas === undefined ? object : { ...object, spec: { ...(object.spec as object), replicas } }
  }),
})

/** The object of the order that is named `Kind/name`. */
export const objectOf = ({ order }: LiveRelease, name: string): RenderedObject | undefined =>
  order.objects.find(({ kind, metadata }) => `${kind}/${metadata.name}` === name)
