import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'

/** When the caches of tests in an engine were last used. */
export function makeCaches(redis: Redis, now: () => Date) {
  return {
    used: async (engine: string, volume: string): Promise<void> =>
      void (await redis.zadd(keys.caches(engine), now().getTime(), volume)),
    /** Undefined when it is not known. */
    async lastUsed(engine: string, volume: string): Promise<Date | undefined> {
      const score = await redis.zscore(keys.caches(engine), volume)
      return score === null ? undefined : new Date(Number(score))
    },
    forget: async (engine: string, volume: string): Promise<void> =>
      void (await redis.zrem(keys.caches(engine), volume)),
  }
}
