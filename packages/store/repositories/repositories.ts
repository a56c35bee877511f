import { newId, type RepositoryId } from '@taxiway/domain/ids.ts'
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

type Random = (bytes: number) => Uint8Array

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
/** Repositories of one name on several servers of a host share this set, and so do those of one number. */
const sameName = (host: string, name: string) => `${keys.repositoryNames}:${host}:${name}`.toLowerCase()
const sameNumber = (host: string, number: number) => `${keys.repositoryNames}:${host}:#${number}`

export type Repositories = ReturnType<typeof makeRepositories>

/** The number stands apart: it is learned while others may change the rest. */
const parse = (doc: string, hostId: string | null | undefined): Repository => ({
  ...JSON.parse(doc),
  ...(hostId ? { hostId: Number(hostId) } : {}),
})

/** The fields of a repository's hash. */
async function sealed(
  secrets: Secrets,
  repository: Repository,
  values: Partial<RepositorySecrets>,
): Promise<Record<string, string>> {
  const { hostId: _, ...doc } = repository
  const { id, maxRuns = 0 } = doc
  // The limit stands apart too, for scripts to read.
  const fields: Record<string, string> = { doc: JSON.stringify(doc), maxRuns: String(maxRuns) }
  if (values.webhookSecret) fields.webhookSecret = await secrets.seal(`${id}/webhook`, values.webhookSecret)
  if (values.token) fields.token = await secrets.seal(`${id}/token`, values.token)
  return fields
}

/** Registered repositories. Secrets are kept encrypted, each under the repository's id. */
export function makeRepositories(redis: Redis, secrets: Secrets) {
  const recent = new Map<RepositoryId, { value: WithSecret; atMs: number }>()
  const read = async (id: RepositoryId): Promise<Repository | undefined> => {
    const [doc, hostId] = await redis.hmget(keys.repository(id), 'doc', 'hostId')
    return doc ? parse(doc, hostId) : undefined
  }
  return {
    read,

    newId: makeNewId(redis, secrets),

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

    /** Keeps by what number the git host knows it, which no new name changes. */
    async learn({ id, host }: Repository, hostId: number): Promise<void> {
      recent.delete(id)
      await redis.multi().hset(keys.repository(id), 'hostId', hostId).sadd(sameNumber(host, hostId), id).exec()
    },

    move: makeMove(redis, read, (id) => recent.delete(id)),

    async change(repository: Repository, values: Partial<RepositorySecrets>): Promise<void> {
      recent.delete(repository.id)
      await redis.hset(keys.repository(repository.id), await sealed(secrets, repository, values))
    },

    async remove(repository: Repository): Promise<void> {
      recent.delete(repository.id)
      await removeAll(redis, repository)
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

    /** Ids of the repositories that a server of the host has under this number. */
    numbered: async (host: string, number: number): Promise<RepositoryId[]> =>
      (await redis.smembers(sameNumber(host, number))) as RepositoryId[],

    /** A repository with its webhook secret, as it was at most a second ago: every delivery asks. One that is gone is refused again as the delivery is accepted. */
    async withWebhookSecret(id: RepositoryId): Promise<WithSecret | undefined> {
      const known = recent.get(id)
      if (known && performance.now() - known.atMs < recentMs) return known.value
      const [doc, secret, hostId] = await redis.hmget(keys.repository(id), 'doc', 'webhookSecret', 'hostId')
      if (!doc || !secret) return undefined
      const value = { repository: parse(doc, hostId), webhookSecret: await secrets.open(`${id}/webhook`, secret) }
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

/**
 * The id of a repository that is to be registered. It is made of host, address and name by the key of the installation: so what
 * a repository has in clusters and on machines is its own again when it was removed, or the record was lost.
 */
const makeNewId =
  (redis: Redis, secrets: Secrets) =>
  async (repository: Pick<Repository, 'host' | 'name' | 'url'>, random: Random): Promise<RepositoryId> => {
    const id = newId<RepositoryId>('repo', () => secrets.derive(`repository ${nameOf(repository)}`).subarray(0, 14))
    // Whoever has been renamed since keeps its own.
    return (await redis.exists(keys.repository(id))) === 0 ? id : newId('repo', random)
  }

/** Takes away all that is kept of a repository itself. */
const removeAll = (redis: Redis, repository: Repository): Promise<unknown> =>
  redis
    .multi()
    .del(keys.repository(repository.id), keys.repositorySecrets(repository.id))
    .del(keys.imageKeys(repository.id), keys.imageKeysUsed(repository.id), keys.usedDigests(repository.id))
    .zrem(keys.repositories, repository.id)
    .hdel(keys.turns, repository.id)
    .hdel(keys.repositoryNames, nameOf(repository))
    .srem(sameName(repository.host, repository.name), repository.id)
    .srem(sameNumber(repository.host, repository.hostId ?? 0), repository.id)
    .exec()

/** Gives a repository the name and address that it has now. Its id, and with that all that is kept of it, stays. */
function makeMove(
  redis: Redis,
  read: (id: RepositoryId) => Promise<Repository | undefined>,
  forget: (id: RepositoryId) => void,
) {
  return async function move(
    id: RepositoryId,
    { hostId, ...place }: Pick<Repository, 'name' | 'url' | 'apiUrl' | 'hostId'>,
  ): Promise<Outcome<Repository>> {
    const from = await read(id)
    if (!from) return refuse('not_found', { what: 'repository' })
    const { registeredAs = from.name, hostId: _, ...rest } = from
    const moved: Repository = { ...rest, ...place, ...(registeredAs === place.name ? {} : { registeredAs }) }
    const isRenamed = nameOf(from) !== nameOf(moved)
    if (isRenamed && (await redis.hsetnx(keys.repositoryNames, nameOf(moved), id)) === 0) {
      const other = ((await redis.hget(keys.repositoryNames, nameOf(moved))) ?? '') as RepositoryId
      if (other !== id && (await read(other))) return refuse('repository_exists', { id: other })
      await redis.hset(keys.repositoryNames, nameOf(moved), id)
    }
    forget(id)
    const step = redis.multi().hset(keys.repository(id), 'doc', JSON.stringify(moved))
    // Whose number it is that is not known any more, the next delivery tells.
    if (hostId === undefined) step.hdel(keys.repository(id), 'hostId')
    if (isRenamed)
      step
        .hdel(keys.repositoryNames, nameOf(from))
        .srem(sameName(from.host, from.name), id)
        .sadd(sameName(moved.host, moved.name), id)
    await step.exec()
    return done(hostId === undefined ? moved : { ...moved, hostId })
  }
}
