import type { Outcome } from '../reason.ts'
import type { ObjectDrift } from './drift.ts'
import type {
  FoundObject,
  JobEnd,
  LiveRelease,
  Observed,
  OnOutput,
  ReleaseJob,
  ReleaseOrder,
  Verdict,
} from './release.ts'
import type { Work } from './work.ts'

/** What objects are made for: one machine, or a cluster by the second number of its version (20 for 1.20). */
export type Ground = { kind: 'docker' } | { kind: 'kubernetes'; minor: number }

/** What restoring came to. `detail` fits behind the reason: `rolled back to abc1234`, `scaled to 0: there was no earlier release`. */
export interface Restored {
  /** Is the environment as it is meant to be now? False: the earlier release is not healthy either. */
  complete: boolean
  detail: string
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
  /**
   * Starts what should run and does not, where nobody else sees to that.
   * @returns what was started and why, a line each
   */
  keepRunning?(live: LiveRelease, work: Work): Promise<Outcome<string[]>>
  /** Brings the credentials up to date by which its pods pull images, if they have changed since that was last done. */
  keepPulling?(live: LiveRelease, work: Work): Promise<Outcome<void>>
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

  /** What the API of a cluster knows: `apps/v1`, `apps/v1/Deployment`. */
  apiVersions?(work: Work): Promise<Outcome<string[]>>

  /** Would all objects be taken? Changes nothing, except that a missing namespace is made. */
  dryRun(order: ReleaseOrder, work: Work): Promise<Outcome<void>>

  /** What stands where objects of the order go, and was made by others. A target that nobody else writes to has none. */
  found?(order: ReleaseOrder, work: Work): Promise<Outcome<FoundObject[]>>

  /**
   * Takes the new version through the steps of the order's strategy, beside what serves. Healthy: the order may be applied.
   * Whoever comes after a crash goes on at the step that was reached.
   */
  advance(order: ReleaseOrder, work: Work): Promise<Outcome<Verdict>>

  /** Services that select pods of two environments, in words; undefined where environments can't meet. */
  crossings?(order: ReleaseOrder, work: Work): Promise<Outcome<string[]>>

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
   * told otherwise) removes nothing when that is more than half of all (`prune_held`), and `none` leaves all objects; what a machine
   * ran for objects that are there still goes all the same. Data is never removed.
   */
  prune(order: ReleaseOrder, work: Work, how?: 'careful' | 'all' | 'none'): Promise<Outcome<void>>

  /**
   * Gives the environment its previous release again (the order as it was stored) under the new `generation`, wave by wave, and
   * waits until that is healthy and has stayed so for `soakMs`. Without one, stops what the failed order started.
   */
  restore(
    release: { failed: ReleaseOrder; previous: ReleaseOrder | undefined; generation: number; soakMs?: number },
    work: Work,
  ): Promise<Outcome<Restored>>

  /** Which release was applied last, healthy or not. Undefined: none. */
  live(place: TargetPlace, work: Work): Promise<Outcome<{ generation: number; runId: string } | undefined>>

  /**
   * What was applied last, as it stands there: the order is made of the target's own marks and objects. For a record that knows
   * nothing of it. A target that can't tell has none.
   */
  standing?(
    place: TargetPlace & Pick<ReleaseOrder, 'repositoryName'>,
    work: Work,
  ): Promise<Outcome<ReleaseOrder | undefined>>

  /**
   * Removes a preview with all that belongs to it, and waits until it is gone: `removal_unfinished` when it is not within the
   * deadline. Nothing is begun unless `stillHeld` says that the environment is the caller's. What is gone already is success.
   */
  remove(place: TargetPlace, stillHeld: () => Promise<boolean>, work: Work): Promise<Outcome<void>>

  /** May it give pods of the namespace the credentials of registries? A target whose images are pulled by us has no need to. */
  mayGivePull?(namespace: string, work: Work): Promise<Outcome<boolean>>

  /** Previews that it bears by its own marks, whatever the record says. */
  previews?(work: Work): Promise<Outcome<TargetPlace[]>>
}

/** An environment in a target. */
export type TargetPlace = Pick<ReleaseOrder, 'repositoryId' | 'environment' | 'namespace'>
