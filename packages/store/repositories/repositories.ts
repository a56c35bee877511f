import type { RepositoryId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Repository } from '@taxiway/domain/repository.ts'
import type { Secrets } from '../access/secrets.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'

/** The two secrets of a repository; either may be absent for reading. */
export interface RepositorySecrets {
  webhookSecret: string
  token?: string
}

interface WithSecret {
  repository: Repository
  webhookSecret: string
}
/** How long, and for how many repositories, a reading serves further deliveries. */
const recentMs = 1000
const mostRecent = 1000

/** `host:origin:owner/name`, without regard to case: GitHub's names have none. */
const nameOf = (repository: Pick<Repository, 'host' | 'name' | 'url'>) =>
  `${repository.host}:${new URL(repository.url).origin}:${repository.name}`.toLowerCase()
/** Repositories of one name on several servers of a host share this set. */
const sameName = (host: string, name: string) => `${keys.repositoryNames}:${host}:${name}`.toLowerCase()

export type Repositories = ReturnType<typeof makeRepositories>

/** The fields of a repository's hash. */
async function sealed(
  secrets: Secrets,
  repository: Repository,
  values: Partial<RepositorySecrets>,
): Promise<Record<string, string>> {
  const { id, maxRuns = 0 } = repository
  // The limit stands apart too, for scripts to read.
  const fields: Record<string, string> = { doc: JSON.stringify(repository), maxRuns: String(maxRuns) }
  if (values.webhookSecret) fields.webhookSecret = await secrets.seal(`${id}/webhook`, values.webhookSecret)
  if (values.token) fields.token = await secrets.seal(`${id}/token`, values.token)
  return fields
}

/** Registered repositories. Secrets are kept encrypted, each under the repository's id. */
export function makeRepositories(redis: Redis, secrets: Secrets) {
  const recent = new Map<RepositoryId, { value: WithSecret; atMs: number }>()
  const read = async (id: RepositoryId): Promise<Repository | undefined> => {
    const doc = await redis.hget(keys.repository(id), 'doc')
    return doc ? JSON.parse(doc) : undefined
  }
  return {
    read,

    /** Registers, unless the same repository is registered already. */
    async add(repository: Repository, values: RepositorySecrets): Promise<Outcome<Repository>> {
      const fields = await sealed(secrets, repository, values)
      const added = await redis.hsetnx(keys.repositoryNames, nameOf(repository), repository.id)
      if (added === 0) {
        const id = ((await redis.hget(keys.repositoryNames, nameOf(repository))) ?? '') as RepositoryId
        if (await read(id)) return refuse('repository_exists', { id })
        await redis.hset(keys.repositoryNames, nameOf(repository), repository.id)
      }
      await redis
        .multi()
        .hset(keys.repository(repository.id), fields)
        .zadd(keys.repositories, Date.parse(repository.createdAt), repository.id)
        .sadd(sameName(repository.host, repository.name), repository.id)
        .exec()
      return done(repository)
    },

    async change(repository: Repository, values: Partial<RepositorySecrets>): Promise<void> {
      recent.delete(repository.id)
      await redis.hset(keys.repository(repository.id), await sealed(secrets, repository, values))
    },

    async remove(repository: Repository): Promise<void> {
      recent.delete(repository.id)
      await redis
        .multi()
        .del(keys.repository(repository.id), keys.repositorySecrets(repository.id))
        .del(keys.imageKeys(repository.id), keys.imageKeysUsed(repository.id))
        .zrem(keys.repositories, repository.id)
        .hdel(keys.turns, repository.id)
        .hdel(keys.repositoryNames, nameOf(repository))
        .srem(sameName(repository.host, repository.name), repository.id)
        .exec()
    },

    /** All repositories, oldest first. */
    async list(): Promise<Repository[]> {
      const found = await Promise.all(
        (await redis.zrange(keys.repositories, '0', '-1')).map((id) => read(id as RepositoryId)),
      )
      return found.filter((repository) => repository !== undefined)
    },

    /** Ids of the repositories with this name on any server of the host. */
    named: async (host: string, name: string): Promise<RepositoryId[]> =>
      (await redis.smembers(sameName(host, name))) as RepositoryId[],

    /** A repository with its webhook secret, as it was at most a second ago: every delivery asks. One that is gone is refused again as the delivery is accepted. */
    async withWebhookSecret(id: RepositoryId): Promise<WithSecret | undefined> {
      const known = recent.get(id)
      if (known && performance.now() - known.atMs < recentMs) return known.value
      const [doc, secret] = await redis.hmget(keys.repository(id), 'doc', 'webhookSecret')
      if (!doc || !secret) return undefined
      const value = { repository: JSON.parse(doc), webhookSecret: await secrets.open(`${id}/webhook`, secret) }
      if (recent.size >= mostRecent) recent.clear()
      recent.set(id, { value, atMs: performance.now() })
      return value
    },

    /** The token for the git host, if the repository has one. */
    async token(id: RepositoryId): Promise<string | undefined> {
      const value = await redis.hget(keys.repository(id), 'token')
      return value ? secrets.open(`${id}/token`, value) : undefined
    },
  }
}
