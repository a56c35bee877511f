import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { Redis, type RedisOptions } from 'ioredis'

export type { Redis } from 'ioredis'

/** Longest wait for one answer of Redis, in milliseconds: a hung server must not hang its callers. */
const commandTimeoutMs = 900

/**
 * A connection for single commands: no offline queue, so that a call fails at once while Redis is away, and a deadline on
 * each answer. It reconnects by itself within half a second of Redis' return.
 */
export function connect(url: string, options: RedisOptions = {}): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandTimeoutMs,
    connectTimeout: 2000,
    retryStrategy: (times) => Math.min(50 * times, 500),
    ...options,
  })
  // Every caller meets the error of its own command; this listener only keeps the process alive meanwhile.
  redis.on('error', () => {})
  return redis
}

/** A connection that may block on reads: commands wait for Redis to come back and have no deadline. */
export const connectBlocking = (url: string): Redis =>
  connect(url, { enableOfflineQueue: true, maxRetriesPerRequest: null, commandTimeout: undefined as never })

/** Waits until the connection is ready. @returns false when the deadline passed */
export async function waitReady(redis: Redis, deadlineMs: number, signal?: AbortSignal): Promise<boolean> {
  const until = performance.now() + deadlineMs
  while (redis.status !== 'ready' && performance.now() < until && !signal?.aborted)
    await new Promise((resolve) => setTimeout(resolve, 50))
  return redis.status === 'ready'
}

/** Refuses a Redis that may forget what it accepted: one that evicts keys or writes no append-only file. */
export async function checkDurable(redis: Redis): Promise<Outcome<{ warning?: string }>> {
  const info = await redis.info()
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim()
  const policy = field('maxmemory_policy')
  if (policy !== undefined && policy !== 'noeviction') return refuse('redis_eviction_enabled', { policy })
  if (field('aof_enabled') !== '1') return refuse('redis_not_durable')
  const fsync = await redis.config('GET', 'appendfsync').catch(() => undefined)
  const mode = Array.isArray(fsync) ? String(fsync[1]) : 'unknown'
  if (mode === 'always') return done({})
  return done({
    warning: `Redis has appendfsync ${mode}: a power cut may lose up to a second of accepted pushes. Set it to always.`,
  })
}

/** What a failed Redis call means for the caller: full, or away. Anything else is a fault of ours and thrown again. */
export function redisFault(error: unknown): Outcome<never> {
  const text = error instanceof Error ? error.message : String(error)
  if (/^OOM |maxmemory/.test(text)) return refuse('queue_full')
  if (
    /MISCONF|READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|NOREPLICAS|Stream isn't writeable|Command timed out|Connection is closed|max retries|ECONN|ETIMEDOUT|EPIPE|ENOTFOUND|ENOENT|EAI_AGAIN|enableOfflineQueue/i.test(
      text,
    )
  )
    return refuse('redis_unavailable')
  throw error
}

/** Is it the client's own word for a Redis that is away? Of other errors, nothing says that they came from it. */
export const isOfRedis = (error: unknown): boolean =>
  error instanceof Error &&
  (/^(Command timed out|Connection is closed\.?|Stream isn't writeable.*)$/.test(error.message) ||
    ['MaxRetriesPerRequestError', 'ClusterAllFailedError'].includes(error.name))

/** A write that outlives an outage of Redis is tried again this often. */
const patienceStepMs = 250

/**
 * Calls until Redis takes it: work that is done is not thrown away because Redis is away for a while.
 * @throws the fault once `deadlineMs` has passed, or what is no fault of Redis at once
 */
export async function patiently<T>(call: () => Promise<T>, deadlineMs = 15 * 60_000): Promise<T> {
  const until = performance.now() + deadlineMs
  for (;;) {
    try {
      return await call()
    } catch (error) {
      redisFault(error)
      if (performance.now() > until) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, patienceStepMs))
  }
}
