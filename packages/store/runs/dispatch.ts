import { neededWork, type Run } from '@taxiway/domain/run/run.ts'
import type { JobQueue } from './queue.ts'

/** Adds the job that a run needs next, if nobody holds it and it has not to wait. Doing it twice changes nothing. */
export async function dispatch(queue: JobQueue, run: Run): Promise<void> {
  const work = neededWork(run)
  if (work && !run.holder && !isEarly(run.retryAt)) await queue.add(work, run.id, run.attempt, run.gatesPassed)
}

/** Is it not yet time to try again? `redispatch` looks again later. */
const isEarly = (retryAt: string | undefined): boolean => retryAt !== undefined && Date.parse(retryAt) > Date.now()
