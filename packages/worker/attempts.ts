import type { RunId } from '@taxiway/domain/ids.ts'
import type { Outcome } from '@taxiway/domain/reason.ts'
import type { RunEvent } from '@taxiway/domain/run/event.ts'
import { findStage, type Run } from '@taxiway/domain/run/run.ts'
import type { Fence, Runs } from '@taxiway/store/runs/runs.ts'

/** A run in this worker's hands. */
export interface Attempt {
  run: Run
  fence: Fence
  /** Aborted when the run is taken away or to be cancelled: the reason is `fenced`, `cancelled` or `superseded`. */
  signal: AbortSignal
  abort(reason: string): void
  /** Ends the renewal; the lease itself goes with the move that ends or hands over the attempt. */
  end(): void
}

/**
 * Takes a run: the lease, the fence and, if the run is known, the start of its first stage in one step. Refused while another worker's lease is
 * good; the same holder may ask again, should Redis have answered too late.
 */
export async function beginAttempt(
  runs: Runs,
  runId: RunId,
  worker: string,
  holder: string,
  known?: { run: Run; first: string },
): Promise<Outcome<Attempt>> {
  const events: RunEvent[] = [{ type: 'attempt_started', holder, worker }]
  if (known && findStage(known.run, known.first)?.state === 'pending')
    events.push({ type: 'stage_started', stage: known.first })
  const begun = await runs.move(runId, events, undefined, known?.run)
  if (!begun.ok) return begun
  const fence = { attempt: begun.value.attempt, holder }
  const controller = new AbortController()
  const renew = async () => {
    // While Redis is away the work goes on: whether the run is still ours is found out when it is back.
    const kept = await runs.renewLease(runId, fence).catch(() => true)
    if (!kept) controller.abort('fenced')
    const run = kept ? await runs.read(runId).catch(() => undefined) : undefined
    if (run?.cancelRequestedBy) controller.abort('cancelled')
    else if (run?.supersededBy) controller.abort('superseded')
  }
  // A wish to cancel is seen as often.
  const timer = setInterval(() => void renew(), runs.leaseMs / 10)
  return {
    ok: true,
    value: {
      run: begun.value,
      fence,
      signal: controller.signal,
      abort: (reason) => controller.abort(reason),
      end: () => clearInterval(timer),
    },
  }
}

/** Waits for the work in hand to end; after `ms` it is given back. */
export async function drain(
  worker: { close(): Promise<void> },
  active: ReadonlySet<Attempt>,
  ms: number,
): Promise<void> {
  const timer = setTimeout(() => {
    for (const attempt of active) attempt.abort('drained')
  }, ms)
  await worker.close().finally(() => clearTimeout(timer))
}
