import type { RepositoryId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'
import type { Secrets } from './secrets.ts'

/** What is shown of a secret: never its value. */
export interface SecretView {
  name: string
  updatedAt: string
}

/** Bounds for one repository, so that hiding all of its values stays cheap. */
const mostSecrets = 200
export const longestSecretBytes = 64 * 1024
const mostBytes = 128 * 1024

const nameOf = (id: RepositoryId, name: string): string => `${id}/secret/${name}`

/** Named secrets of repositories: written and used, never read back by people. Each is sealed under its repository and name. */
export function makeRepositorySecrets(redis: Redis, secrets: Secrets, now: () => Date) {
  const put = loadScript(redis, new URL('./set-secret.lua', import.meta.url))
  const open = (id: RepositoryId, name: string, text: string): Promise<string> =>
    secrets.open(nameOf(id, name), (JSON.parse(text) as { sealed: string }).sealed)
  return {
    /** Writes a secret, in place of an earlier one of the name. */
    async set(id: RepositoryId, name: string, value: string): Promise<Outcome<void>> {
      const sealed = await secrets.seal(nameOf(id, name), value)
      const bytes = Buffer.byteLength(value)
      const text = JSON.stringify({ sealed, bytes, updatedAt: now().toISOString() })
      const answer = await put(
        [keys.repository(id), keys.repositorySecrets(id)],
        [name, text, bytes, mostSecrets, mostBytes],
      )
      if (answer === -1) return refuse('not_found', { what: 'repository' })
      if (answer === 0)
        return refuse('input_invalid', {
          detail: `a repository may have ${mostSecrets} secrets of ${mostBytes / 1024} KiB together`,
        })
      return done(undefined)
    },

    /** The names, in order, and when each was last written. */
    async names(id: RepositoryId): Promise<SecretView[]> {
      const all = Object.entries(await redis.hgetall(keys.repositorySecrets(id)))
      return all
        .map(([name, text]) => ({ name, updatedAt: (JSON.parse(text) as SecretView).updatedAt }))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    },

    /** @returns false when there was none */
    remove: async (id: RepositoryId, name: string): Promise<boolean> =>
      (await redis.hdel(keys.repositorySecrets(id), name)) === 1,

    /** The value, for the steps that are given it. */
    async value(id: RepositoryId, name: string): Promise<string | undefined> {
      const text = await redis.hget(keys.repositorySecrets(id), name)
      return text ? open(id, name, text) : undefined
    },

    /** The values of those of these names that are set. */
    async some(id: RepositoryId, names: readonly string[]): Promise<Record<string, string>> {
      if (names.length === 0) return {}
      const texts = await redis.hmget(keys.repositorySecrets(id), ...names)
      const known = names.flatMap((name, index) => (texts[index] ? [[name, texts[index]] as const] : []))
      return Object.fromEntries(
        await Promise.all(known.map(async ([name, text]) => [name, await open(id, name, text)])),
      )
    },

    /** All values by name: what no log of this repository may show. */
    async values(id: RepositoryId): Promise<Record<string, string>> {
      const all = Object.entries(await redis.hgetall(keys.repositorySecrets(id)))
      const opened = await Promise.all(all.map(async ([name, text]) => [name, await open(id, name, text)] as const))
      return Object.fromEntries(opened)
    },
  }
}
