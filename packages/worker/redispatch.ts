import type { RunId } from '@taxiway/domain/ids.ts'
import { dispatch } from '@taxiway/store/runs/dispatch.ts'
import type { JobQueue } from '@taxiway/store/runs/queue.ts'
import type { Runs } from '@taxiway/store/runs/runs.ts'

/** A job that was added is added again after so long, should the queue have lost it. */
const againMs = 30_000

/**
 * One pass over all open runs: those nobody holds get their job (again), those whose worker fell silent go back to the queue.
 * Every worker runs it; the record's compare-and-set lets only one of them act.
 * @param clock monotonic milliseconds
 */
export function makeRedispatch(runs: Runs, queue: JobQueue, clock: () => number) {
  // A run must be without its lease for so long, seen by this process, before its worker is called lost.
  const silenceMs = 0.4 * runs.leaseMs
  const silentSince = new Map<RunId, number>()
  const added = new Map<RunId, { version: number; atMs: number }>()
  return async function redispatchOnce(): Promise<void> {
    const open = await runs.open()
    const ids = new Set(open.map(({ id }) => id))
    for (const known of [silentSince, added]) for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
    for (const { id, version, isHeld, isLeased, retryAtMs } of open) {
      if (isLeased || !isHeld) silentSince.delete(id)
      if (!isHeld) {
        if (retryAtMs > Date.now()) continue
        const last = added.get(id)
        if (last?.version === version && clock() - last.atMs < againMs) continue
        const run = await runs.read(id)
        if (run) await dispatch(queue, run)
        added.set(id, { version, atMs: clock() })
      } else if (!isLeased) {
        const since = silentSince.get(id) ?? clock()
        silentSince.set(id, since)
        if (clock() - since >= silenceMs) await takeBack(id)
      }
    }
  }

  async function takeBack(id: RunId): Promise<void> {
    silentSince.delete(id)
    const run = await runs.read(id)
    if (!run?.holder) return
    const since = new Date(Date.now() - runs.leaseMs - silenceMs).toISOString()
    const moved = await runs.move(
      id,
      { type: 'worker_lost', worker: run.worker ?? 'unknown', since },
      { attempt: run.attempt, holder: run.holder },
    )
    if (moved.ok) await dispatch(queue, moved.value)
  }
}
