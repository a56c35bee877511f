import type { RunId } from '@taxiway/domain/ids.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'

/** What is stated about the origin of a run's images, as it stands in the registry; kept and removed with the run. */
export function makeProvenance(redis: Redis) {
  return {
    keep: async (run: RunId, image: string, statement: string): Promise<void> =>
      void (await redis.hset(keys.provenance(run), image, statement)),
    read: async (run: RunId, image: string): Promise<string | undefined> =>
      (await redis.hget(keys.provenance(run), image)) ?? undefined,
  }
}
