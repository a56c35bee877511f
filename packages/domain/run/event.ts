import type { Explanation } from '../environment/explanation.ts'
import type { Gate } from '../environment/gate.ts'
import type { Digest, Sha } from '../ids.ts'
import type { Plan } from '../plan/plan.ts'
import type { Reason } from '../reason.ts'
import type { ReleaseState, RunArtifact, RunBase, RunJob, RunTest } from './parts.ts'

/** Everything that can happen to a run. Pages, statuses and the event stream all tell these. */
export type RunEvent =
  /** A worker took the run; `holder` names this one taking of it. */
  | { type: 'attempt_started'; holder: string; worker: string }
  /** A worker gave the run back, to go on with another worker at the next attempt. */
  | { type: 'attempt_drained'; worker: string }
  /** The builder is done, a deployer goes on with the same attempt. */
  | { type: 'handed_over' }
  /** The worker of this attempt fell silent. */
  | { type: 'worker_lost'; worker: string; since: string }
  /** What was pushed is a tag with a message of its own: this is the commit that it leads to. */
  | { type: 'commit_found'; sha: Sha }
  | { type: 'planned'; plan: Plan }
  | { type: 'stage_started'; stage: string }
  | {
      type: 'stage_finished'
      stage: string
      state: 'succeeded' | 'failed' | 'errored' | 'skipped'
      reason?: Reason
      /** The run goes back to the queue, and this stage is tried again from then on. */
      retryAt?: string
    }
  | { type: 'image_built'; image: string; imageId: string; reusedFrom?: Digest; reusedRun?: number; bases?: RunBase[] }
  | { type: 'image_published'; image: string; digest: Digest; reference: string; provenance?: Digest; user?: string }
  /** A test began, ended, or was tried again; the latest of its name counts. */
  | { type: 'test_changed'; test: RunTest }
  /** A file of a test was kept. */
  | { type: 'artifact_kept'; artifact: RunArtifact }
  /** A job of a release began or ended. */
  | { type: 'job_changed'; job: RunJob }
  /** A release may not begin yet: the run is given back, and waits. */
  | { type: 'gate_closed'; gate: Gate }
  /** What a run waits at is another gate by now, or tells something else. */
  | { type: 'gate_changed'; gate: Gate }
  | { type: 'gate_opened'; environment: string }
  | { type: 'approved'; environment: string; who: string }
  | { type: 'rejected'; environment: string; who: string }
  /** Nobody approved in time. */
  | { type: 'approval_expired'; environment: string }
  | {
      type: 'release_changed'
      environment: string
      generation: number
      state: ReleaseState
      reason?: Reason
      /** How far it is on its way: `canary 25 %`. */
      progress?: string
      /** Why it is not healthy, in full. */
      explanation?: Explanation
      /** What was wrong with it, as half a sentence, while what was before is being restored. */
      failure?: string
    }
  | { type: 'cancel_requested'; who: string }
  | { type: 'cancelled'; who: string }
  /** A newer run wants its place; who holds it stops. */
  | { type: 'supersede_requested'; by: string }
  | { type: 'superseded'; by: string }
  /** The whole run took longer than its pipeline allows. */
  | { type: 'timed_out'; seconds: number }
  /** Something a person should know, of the run or of one test; the only thing that may still happen to an ended run. */
  | { type: 'noted'; reason: Reason; test?: string }

/** Is it told only while somebody holds the run? */
export const isWork: Readonly<Record<RunEvent['type'], boolean>> = {
  attempt_started: false,
  attempt_drained: true,
  handed_over: true,
  worker_lost: true,
  commit_found: true,
  planned: false,
  stage_started: true,
  stage_finished: true,
  image_built: true,
  image_published: true,
  test_changed: true,
  artifact_kept: true,
  job_changed: true,
  gate_closed: true,
  gate_changed: false,
  gate_opened: false,
  approved: false,
  rejected: false,
  approval_expired: false,
  release_changed: false,
  cancel_requested: false,
  cancelled: false,
  supersede_requested: false,
  superseded: false,
  timed_out: true,
  noted: false,
}
