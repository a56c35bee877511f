import type { Digest } from './ids.ts'
import type { Plan } from './plan.ts'
import type { Reason } from './reason.ts'

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
  | { type: 'planned'; plan: Plan }
  | { type: 'stage_started'; stage: string }
  | { type: 'stage_finished'; stage: string; state: 'succeeded' | 'failed' | 'errored' | 'skipped'; reason?: Reason }
  | { type: 'image_built'; image: string; imageId: string }
  | { type: 'image_published'; image: string; digest: Digest; reference: string }
  | { type: 'release_changed'; environment: string; generation: number; state: ReleaseState; reason?: Reason }
  | { type: 'cancel_requested'; who: string }
  | { type: 'cancelled'; who: string }
  | { type: 'superseded'; by: string }
  /** Something a person should know; the only thing that may still happen to an ended run. */
  | { type: 'noted'; reason: Reason }

/** How far a release has come in its environment. */
export const releaseStates = ['applying', 'live', 'restored', 'failed', 'superseded'] as const
export type ReleaseState = (typeof releaseStates)[number]
