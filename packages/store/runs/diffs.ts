import type { ReleaseDiff } from '@taxiway/domain/environment/diff.ts'
import type { RunId } from '@taxiway/domain/ids.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'

/** What the releases of a run change; kept and removed with the run. */
export function makeDiffs(redis: Redis) {
  return {
    /** The latest of an environment counts: an attempt that goes on compares anew. */
    keep: async (run: RunId, diff: ReleaseDiff): Promise<void> =>
      void (await redis.hset(keys.diffs(run), diff.environment, JSON.stringify(diff))),

    /** Of all environments, in the order of their names. */
    async list(run: RunId): Promise<ReleaseDiff[]> {
      const all = Object.values(await redis.hgetall(keys.diffs(run))).map((text) => JSON.parse(text) as ReleaseDiff)
      return all.sort((a, b) => (a.environment < b.environment ? -1 : 1))
    },
  }
}
