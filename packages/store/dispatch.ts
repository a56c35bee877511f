import type { RunId } from '@taxiway/domain/ids.ts'
import { neededWork, type Run } from '@taxiway/domain/run.ts'
import type { JobQueue } from './queue.ts'
import { leaseMs, type Runs } from './runs.ts'

/** Adds the job that a run needs next, if nobody holds it. Doing it twice changes nothing. */
export async function dispatch(queue: JobQueue, run: Run): Promise<void> {
  const work = neededWork(run)
  if (work && !run.holder) await queue.add(work, run.id, run.attempt)
}

/** A run must be without its lease for so long, seen by this process, before its worker is called lost. */
const silenceMs = 4000

/**
 * One pass over all open runs: those nobody holds get their job (again), those whose worker fell silent go back to the queue.
 * Every worker runs it; the record's compare-and-set lets only one of them act.
 * @param clock monotonic milliseconds
 */
export function makeRedispatch(runs: Runs, queue: JobQueue, clock: () => number) {
  const silentSince = new Map<RunId, number>()
  return async function redispatchOnce(): Promise<void> {
    const open = await runs.open()
    for (const id of silentSince.keys()) if (!open.includes(id)) silentSince.delete(id)
    for (const id of open) {
      const run = await runs.read(id)
      if (!run) continue
      if (!run.holder) {
        silentSince.delete(id)
        await dispatch(queue, run)
        continue
      }
      if (await runs.isLeased(id)) {
        silentSince.delete(id)
        continue
      }
      const since = silentSince.get(id) ?? clock()
      silentSince.set(id, since)
      if (clock() - since < silenceMs) continue
      silentSince.delete(id)
      const lostAt = new Date(Date.now() - leaseMs - silenceMs).toISOString()
      const moved = await runs.move(
        id,
        { type: 'worker_lost', worker: run.worker ?? 'unknown', since: lostAt },
        { attempt: run.attempt, holder: run.holder },
      )
      if (moved.ok) await dispatch(queue, moved.value)
    }
  }
}
