import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'

/** Images that we pulled into an engine, or left in it when we published them, and when each was last used: no others are ours to remove. */
export function makePulledImages(redis: Redis, now: () => Date) {
  return {
    /** We pulled or published this image just now. */
    pulled: async (engine: string, image: string): Promise<void> =>
      void (await redis.zadd(keys.pulledImages(engine), now().getTime(), image)),
    /** The image is used; it counts only if we once pulled it. */
    used: async (engine: string, image: string): Promise<void> =>
      void (await redis.zadd(keys.pulledImages(engine), 'XX', now().getTime(), image)),
    /** Those not used since. */
    unusedSince: (engine: string, time: Date): Promise<string[]> =>
      redis.zrangebyscore(keys.pulledImages(engine), '-inf', time.getTime()),
    forget: async (engine: string, image: string): Promise<void> =>
      void (await redis.zrem(keys.pulledImages(engine), image)),
  }
}
