import type { Digest, RepositoryId } from '@taxiway/domain/ids.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'

/** A published image that stands for all it was made of. */
export interface KeyedImage {
  /** host/prefix/name@sha256:… */
  reference: string
  digest: Digest
  /** By which an engine knows it. */
  imageId: string
  /** Number of the run that built it. */
  run: number
  /** Digest of its provenance in the registry, */
  provenance?: Digest
  /** and the statement itself. */
  statement: string
  /** Who its containers run as. */
  user?: string
}

/** Keys of one repository; beyond this, those used longest ago are forgotten. */
const mostKeys = 500

/** Content key -> published image, by repository. Runs of code that nobody approved neither read nor write them. */
export function makeImageKeys(redis: Redis, now: () => Date) {
  const keep = loadScript(redis, new URL('./keep-image-key.lua', import.meta.url))
  const use = loadScript(redis, new URL('./use-image-key.lua', import.meta.url))
  const forget = loadScript(redis, new URL('./forget-image-keys.lua', import.meta.url))
  const placesOf = (repo: RepositoryId) => [keys.imageKeys(repo), keys.imageKeysUsed(repo)]
  return {
    keep: async (repo: RepositoryId, key: string, image: KeyedImage): Promise<void> =>
      void (await keep(
        [keys.repository(repo), ...placesOf(repo)],
        [key, JSON.stringify(image), now().getTime(), mostKeys],
      )),

    /** The image of the first of these keys that is known; it counts as used. */
    async use(repo: RepositoryId, wanted: string[]): Promise<{ key: string; image: KeyedImage } | undefined> {
      const found = (await use(placesOf(repo), [now().getTime(), ...wanted])) as [string, string] | null
      return found ? { key: found[0], image: JSON.parse(found[1]) } : undefined
    },

    /** Its image is gone. */
    forget: async (repo: RepositoryId, key: string): Promise<void> =>
      void (await redis.multi().hdel(keys.imageKeys(repo), key).zrem(keys.imageKeysUsed(repo), key).exec()),

    /** Forgets keys that were not used since. @returns what those that are left stand for */
    async forgetUnused(repo: RepositoryId, since: Date): Promise<KeyedImage[]> {
      const left = (await forget(placesOf(repo), [since.getTime()])) as string[]
      return left.map((text) => JSON.parse(text))
    },
  }
}
