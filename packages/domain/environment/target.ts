import type { Strategy } from '../plan/strategy.ts'
import type { Outcome } from '../reason.ts'
import type { JobTurn } from '../run/event.ts'
import type { DriftMode, ObjectDrift } from './drift.ts'
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

/** What objects are made for: one machine, or a cluster by the second number of its version (20 for 1.20). */
export type Ground = { kind: 'docker' } | { kind: 'kubernetes'; minor: number }

/** What every call is given. */
export interface Work {
  /** How long the whole call may take, retries included. */
  deadlineMs: number
  /** Ends the call early: it then rejects with the signal's reason. */
  signal: AbortSignal
  /** One line for the log of the run. Not masked yet. */
  say: (line: string) => void
  /** How far it has come, for people who look at the run: `canary 25 %`. */
  tell?: (progress: string) => void
  /** Values of the repository's secrets as they are now; a name that has none is left out. */
  secretValues?: (names: readonly string[]) => Promise<Record<string, string>>
}

/**
 * What watching came to. `detail` is one sentence without a full stop: `web: crash loop, exit 1: DATABASE_URL missing`; the
 * explanation holds all that is known. Neither is masked yet.
 */
export type Verdict = { healthy: true; ready: string } | { healthy: false; detail: string; explanation?: Explanation }

/** What restoring came to. `detail` fits behind the reason: `rolled back to abc1234`, `scaled to 0: there was no earlier release`. */
export interface Restored {
  /** Is the environment as it is meant to be now? False: the earlier release is not healthy either. */
  complete: boolean
  detail: string
}

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

/** Says when it is worth while to look again. */
export interface Follow {
  /** Resolves when something has changed since the last call, or after `forMs`. */
  rung(forMs: number): Promise<void>
  close(): void
}

/** What a target can do for a release that is live. */
export interface LiveTarget {
  /** What is there now. */
  state(live: LiveRelease, work: Work): Promise<Outcome<Observed>>
  /** Follows what happens to it. Never refuses: while the target is away, time passes. */
  follow(live: LiveRelease, signal: AbortSignal): Follow
  /**
   * How these objects (`Kind/name`) differ from what the release gives them, in what it says of them: what others add or
   * servers fill in is not looked at. Null: they don't. What can't be told now is missing in the answer.
   */
  drift(live: LiveRelease, names: readonly string[], work: Work): Promise<Outcome<Map<string, ObjectDrift | null>>>
  /** Makes everything as the release has it, under its own generation. Jobs, which have done their work, are left out. */
  correct(live: LiveRelease, work: Work): Promise<Outcome<void>>
  /** Gives a workload other replicas. `change_refused` when it can't have them, `stale_generation` when something newer is there. */
  scale(live: LiveRelease, change: { workload: string; replicas: number }, work: Work): Promise<Outcome<void>>
  /** Makes the pods of a workload anew, a few at a time. Given again with the same `at` it does not do so twice. */
  restart(live: LiveRelease, change: { workload: string; at: string }, work: Work): Promise<Outcome<void>>
}

/**
 * What carries a release: a cluster, or one machine's engine. Every call may be repeated after a crash with the same order.
 * Refusals are reasons (the target is away or refuses, the order is stale or not valid); an unhealthy release is a Verdict.
 */
export interface Target extends LiveTarget {
  kind: 'kubernetes' | 'docker'
  /** The address of the cluster: whose a namespace is, is kept by it. On one machine environments share nothing. */
  where?(work: Work): Promise<Outcome<string>>

  /** What objects must be made for. */
  ground(work: Work): Promise<Outcome<Ground>>

  /** Would all objects be taken? Changes nothing, except that a missing namespace is made. */
  dryRun(order: ReleaseOrder, work: Work): Promise<Outcome<void>>

  /**
   * Takes the new version through the steps of the order's strategy, beside what serves. Healthy: the order may be applied.
   * Whoever comes after a crash goes on at the step that was reached.
   */
  advance(order: ReleaseOrder, work: Work): Promise<Outcome<Verdict>>

  /** Puts all objects in place. `stale_generation` when something newer is live, or became so in between. */
  apply(order: ReleaseOrder, work: Work): Promise<Outcome<void>>

  /**
   * Runs a job of the release to its end, or waits for the one that an earlier try of the same run began. It stays there, ended,
   * until `endJob`; what other runs left of theirs is ended first. `stale_generation` when something newer is live.
   */
  runJob(order: ReleaseOrder, job: ReleaseJob, work: Work, onOutput: OnOutput): Promise<Outcome<JobEnd>>

  /** Ends a job, if it still runs, and removes it. */
  endJob(order: ReleaseOrder, job: ReleaseJob, work: Work): Promise<Outcome<void>>

  /** Waits until what runs is healthy and runs exactly the digests. Ends early when it can't become so. */
  watch(order: ReleaseOrder, work: Work): Promise<Outcome<Verdict>>

  /**
   * Keeps an eye on a release that just became healthy for `forMs`: it is not healthy after all when something of it restarts
   * or stops being ready in that time. `work.deadlineMs` is longer than `forMs`: what is replaced meanwhile may take its time.
   */
  soak(order: ReleaseOrder, forMs: number, work: Work): Promise<Outcome<Verdict>>

  /**
   * After a healthy release: removes what earlier releases of this environment had and this one has not. `careful` (so unless
   * told otherwise) removes nothing when that is more than half of all (`prune_held`). Data is never removed.
   */
  prune(order: ReleaseOrder, work: Work, how?: 'careful' | 'all'): Promise<Outcome<void>>

  /**
   * Gives the environment its previous release again (the order as it was stored) under the new `generation`, and waits
   * until that is healthy. Without one, stops what the failed order started.
   */
  restore(
    release: { failed: ReleaseOrder; previous: ReleaseOrder | undefined; generation: number },
    work: Work,
  ): Promise<Outcome<Restored>>

  /** Which release was applied last, healthy or not. Undefined: none. */
  live(place: TargetPlace, work: Work): Promise<Outcome<{ generation: number; runId: string } | undefined>>

  /**
   * Removes a preview with all that belongs to it, and waits until it is gone: `removal_unfinished` when it is not within the
   * deadline. Nothing is begun unless `stillHeld` says that the environment is the caller's. What is gone already is success.
   */
  remove(place: TargetPlace, stillHeld: () => Promise<boolean>, work: Work): Promise<Outcome<void>>

  /** Previews that it bears by its own marks, whatever the record says. */
  previews?(work: Work): Promise<Outcome<TargetPlace[]>>
}

/** An environment in a target. */
export type TargetPlace = Pick<ReleaseOrder, 'repositoryId' | 'environment' | 'namespace'>

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
