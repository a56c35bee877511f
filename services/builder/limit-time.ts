import { overdueSeconds } from '@taxiway/domain/run/run.ts'
import type { Attempt } from '@taxiway/worker/attempts.ts'

const lookMs = 500

/** Ends the attempt once its run has taken longer than its pipeline allows, over all attempts. */
export function limitTime(attempt: Attempt, now: () => number): { end(): void } {
  const timer = setInterval(() => {
    if (overdueSeconds(attempt.run, now()) !== undefined) attempt.abort('timeout')
  }, lookMs)
  return { end: () => clearInterval(timer) }
}
