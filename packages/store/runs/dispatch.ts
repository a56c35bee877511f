import { neededWork, type Run } from '@taxiway/domain/run/run.ts'
import type { JobQueue } from './queue.ts'

/** Adds the job that a run needs next, if nobody holds it. Doing it twice changes nothing. */
export async function dispatch(queue: JobQueue, run: Run): Promise<void> {
  const work = neededWork(run)
  if (work && !run.holder) await queue.add(work, run.id, run.attempt, run.gatesPassed)
}
