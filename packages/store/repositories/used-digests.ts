import type { RepositoryId } from '@taxiway/domain/ids.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'

/** So long it is known what a run used. */
const keptSeconds = 90 * 24 * 3600

/** Which digest of an image the last run of a repository used, by the image's whole name. */
export function makeUsedDigests(redis: Redis) {
  return {
    /** A run uses that digest now. @returns the one that the last run used */
    async use(repo: RepositoryId, image: string, digest: string): Promise<string | undefined> {
      const key = keys.usedDigests(repo)
      const [before] =
        (await redis.multi().hget(key, image).hset(key, image, digest).expire(key, keptSeconds).exec()) ?? []
      return (before?.[1] as string | null | undefined) ?? undefined
    },
  }
}
