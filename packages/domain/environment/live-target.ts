import type { Outcome } from '../reason.ts'
import type { DriftMode, ObjectDrift } from './drift.ts'
import type { WorkloadState } from './state.ts'
import type { ReleaseOrder, RenderedObject, Work } from './target.ts'

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
