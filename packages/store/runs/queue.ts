import { setImmediate } from 'node:timers/promises'
import type { RunId } from '@taxiway/domain/ids.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import { Queue, Worker } from 'bullmq'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'

export type Work = 'build' | 'deploy'
export interface Job {
  runId: RunId
}
export type JobQueue = ReturnType<typeof makeQueue>

/** The queue of those deployers that serve a target; of those that serve all when it is `all`. */
export const deployQueue = (target: string): string => `deploy-${encodeURIComponent(target)}`

/** The queues that wake workers. What is to be done stands on the run; a job says only that something is. */
export function makeQueue(redis: Redis) {
  const queues: Record<string, Queue<Job>> = {}
  // A queue that is made while Redis is away never recovers, so each is made when it is first needed and Redis is there.
  const open = (name: string): Queue<Job> => {
    if (redis.status !== 'ready') throw new Error('Connection is closed.')
    const queue =
      queues[name] ?? new Queue<Job>(name, { connection: redis, prefix: keys.queue, skipWaitingForReady: true })
    if (!queues[name]) queue.on('error', () => {})
    queues[name] = queue
    return queue
  }
  const waiting: Record<Work, Map<string, RunId>> = { build: new Map(), deploy: new Map() }
  const sending: Partial<Record<Work, Promise<void>>> = {}
  // What comes in at the same time, or while jobs are on their way, goes together in one trip.
  const send = async (name: Work): Promise<void> => {
    const jobs = [...waiting[name]].map(([jobId, runId]) => ({
      name,
      data: { runId },
      opts: { jobId, removeOnComplete: true, removeOnFail: true },
    }))
    waiting[name].clear()
    // Which run a builder takes does not depend on the job: one wakes it, and it wakes the next while more wait.
    await open(name).addBulk(name === 'build' ? jobs.slice(-1) : jobs)
  }
  return {
    /**
     * Adds a job once per run, attempt, gate that it passed, and kind of work; the same again while it waits or is worked on
     * changes nothing.
     */
    async add(work: Work, runId: RunId, attempt: number, gatesPassed = 0): Promise<void> {
      waiting[work].set(`${runId}-${attempt}-${gatesPassed}`, runId)
      const before = sending[work] ?? Promise.resolve()
      if (waiting[work].size > 1) return before
      const mine = before
        .catch(() => {})
        .then(() => setImmediate())
        .then(() => send(work))
      sending[work] = mine
      await mine
    },
    /** Wakes one more builder, as more runs wait than this one. */
    wake: async (run: Run): Promise<void> => {
      const opts = { jobId: `${run.id}-${run.attempt}-next`, removeOnComplete: true, removeOnFail: true }
      await open('build').add('build', { runId: run.id }, opts)
    },
    /** Hands a run's roll-out on to the deployers of a target, as `deployQueue` names them. */
    passOn: async ({ id, attempt, gatesPassed = 0 }: Run, target: string): Promise<void> => {
      const opts = { jobId: `${id}-${attempt}-${gatesPassed}`, removeOnComplete: true, removeOnFail: true }
      await open(deployQueue(target)).add('deploy', { runId: id }, opts)
    },
    close: async (): Promise<void> => {
      await Promise.all(Object.values(queues).map((queue) => queue.close().catch(() => {})))
    },
  }
}

export interface Workers {
  /** Takes no more jobs, and settles when those in hand are over. */
  close(): Promise<void>
  /** While paused it takes no job, so that others get them; those in hand go on. Doing it twice changes nothing. */
  setPaused(isPaused: boolean): Promise<void>
}

/**
 * Hands each job of a queue, by the name of a kind of work or of `deployQueue`, to `handler`, `concurrency` at a time. A handler that throws drops the job: the record of the
 * run decides what happens next, not the queue.
 */
export function work(url: string, name: string, concurrency: number, handler: (job: Job) => Promise<void>): Workers {
  const worker = new Worker<Job>(name, (job) => handler(job.data), {
    connection: { url, maxRetriesPerRequest: null, retryStrategy: (times: number) => Math.min(50 * times, 500) },
    prefix: keys.queue,
    concurrency,
    // Leases on runs tell who is alive; the queue's own lock only has to outlive a short outage of Redis.
    lockDuration: 60_000,
    maxStalledCount: 1_000_000,
    stalledInterval: 15_000,
  })
  worker.on('error', () => {})
  return {
    close: () => worker.close(),
    setPaused: (isPaused) => (isPaused ? worker.pause(true) : worker.resume()),
  }
}
