import { isOutage, isRetryable } from '../fault.ts'
import type { Reason } from '../reason.ts'
import type { Run } from './run.ts'

/** A neighbour that asks for more patience than this is not waited for. */
const mostPauseMs = 60 * 60_000

/**
 * How long to wait (ms) before what the infrastructure did is tried again, or undefined: it is final. An outage of a neighbour is
 * tried again after each of the pauses, and not before the neighbour says (Retry-After); other faults once, as they mostly come again.
 * @param retries tries again of this stage so far
 */
export function retryPauseMs(
  { code, retryAfterMs = 0 }: Reason,
  retries: number,
  pausesMs: readonly number[],
): number | undefined {
  const pauseMs = isOutage(code) ? pausesMs[retries] : retries === 0 ? pausesMs[0] : undefined
  if (!isRetryable(code) || pauseMs === undefined || retryAfterMs > mostPauseMs) return undefined
  return Math.max(pauseMs, retryAfterMs)
}

/** Why a run waits though nobody is before it: its last try met a fault of the infrastructure. */
export function waitsToRetry({
  retryAt,
  stages,
}: Pick<Run, 'retryAt' | 'stages'>): { for: 'retry'; until: string; message: string } | undefined {
  if (retryAt === undefined) return undefined
  const met = stages.find(({ state, reason }) => state === 'pending' && reason)?.reason
  const why = met ? ` ${met.message}` : ''
  return { for: 'retry', until: retryAt, message: `Waiting until ${retryAt.slice(11, 19)} UTC to try again.${why}` }
}
