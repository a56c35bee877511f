import type { Gate } from '@taxiway/domain/environment/gate.ts'
import type { Reason } from '@taxiway/domain/reason.ts'

/** The run is not this attempt's to go on with. */
type Leaving =
  /** A gate closed before the work could begin: the run is given back, and waits there. */
  | { end: 'parked'; gate: Gate }
  /** What is left of it is others' work. */
  | { end: 'handed_over' }
  /** A newer run took this one's place. */
  | { end: 'superseded'; by: string }
  /** Another attempt has the run or its environment, or it was cancelled, is out of time, or is given back at a shutdown. */
  | { end: 'lost' }

/** How a stage ends, and with it an attempt. */
export type End<T = unknown> = { end: 'done'; value: T } | { end: 'refused'; reason: Reason } | Leaving

/** Leaves a stage from anywhere in its work. */
export class Left extends Error {
  readonly how: Leaving
  constructor(how: Leaving) {
    super(`the run is ${how.end}`)
    this.how = how
  }
}

/** How an error ended the work of an attempt. @throws the error, if it is a fault */
export function endOf(error: unknown, signal: AbortSignal): Leaving {
  if (error instanceof Left && error.how.end === 'superseded') return error.how
  if (signal.aborted) return { end: 'lost' }
  if (error instanceof Left) return error.how
  throw error
}
