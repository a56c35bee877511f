import { patiently } from '@taxiway/store/redis/connection.ts'
import { type BuilderDeps, buildRun } from './build-run.ts'

/**
 * What a job wakes a builder for: it builds whose turn it is, which need not be the run that the job was added for, and goes
 * on until nobody waits, or nobody who may have one more run. While it is paused it takes none.
 */
export async function takeTurns(deps: BuilderDeps, stopping: AbortSignal, isPaused: () => boolean): Promise<void> {
  while (!stopping.aborted && !isPaused()) {
    const next = await patiently(() => deps.store.turns.next())
    if (!next) return
    // Runs that came in together had one job: whoever wakes wakes the next.
    if (next.moreWait) deps.store.queue.wake(next.run).catch(() => {})
    await buildRun(deps, next.run)
  }
}
