import { randomBytes } from 'node:crypto'
import { makeClusters } from './access/clusters.ts'
import { makeRegistries } from './access/registries.ts'
import { makeRepositorySecrets } from './access/repository-secrets.ts'
import { makeSecrets } from './access/secrets.ts'
import { makeTokens } from './access/tokens.ts'
import { makeCaches } from './engines/caches.ts'
import { makePulledImages } from './engines/pulled-images.ts'
import { makeChanges } from './environments/changes.ts'
import { makeEnvironments } from './environments/environments.ts'
import { makeNamespaces } from './environments/namespaces.ts'
import { makePreviews } from './environments/previews.ts'
import { makeReleases } from './environments/releases.ts'
import { makeEnvironmentStates } from './environments/seen.ts'
import { makeLogs } from './log/logs.ts'
import { connect, type Redis } from './redis/connection.ts'
import { makeImageKeys } from './repositories/image-keys.ts'
import { makeRepositories } from './repositories/repositories.ts'
import { makeUsedDigests } from './repositories/used-digests.ts'
import { makeDiffs } from './runs/diffs.ts'
import { makeProvenance } from './runs/provenance.ts'
import { makeQueue } from './runs/queue.ts'
import { makeRetention } from './runs/retention.ts'
import { makeRuns } from './runs/runs.ts'
import { makeTurns } from './runs/turn.ts'
import { makeStatuses } from './status/statuses.ts'

export type Store = ReturnType<typeof openStore>

/** Everything kept in Redis, over one connection, and a few more where many deliveries come in. */
export function openStore(options: {
  redisUrl: string
  secretKey: Uint8Array
  /** A worker that was not heard of for so long is lost: 10 s unless told. */
  leaseMs?: number
  /** How often previews are looked at: once a minute unless told. */
  previews?: { lookMs: number }
  now?: () => Date
  random?: (bytes: number) => Uint8Array
}) {
  const now = options.now ?? (() => new Date())
  const random = options.random ?? makeRandom()
  const redis: Redis = connect(options.redisUrl)
  const queue = makeQueue(redis)
  const runs = makeRuns(redis, now, options.leaseMs)
  const secrets = makeSecrets(options.secretKey)
  const repositories = makeRepositories(redis, secrets)
  return {
    redis,
    redisUrl: options.redisUrl,
    now,
    random,
    runs,
    repositories,
    turns: makeTurns(redis, runs, repositories),
    retention: makeRetention(redis, runs),
    imageKeys: makeImageKeys(redis, now),
    usedDigests: makeUsedDigests(redis),
    provenance: makeProvenance(redis),
    diffs: makeDiffs(redis),
    pulledImages: makePulledImages(redis, now),
    caches: makeCaches(redis, now),
    repositorySecrets: makeRepositorySecrets(redis, secrets, now),
    registries: makeRegistries(redis, secrets, now),
    clusters: makeClusters(redis, secrets, { now, random }),
    tokens: makeTokens(redis, now, random),
    namespaces: makeNamespaces(redis),
    environments: makeEnvironments(redis, now),
    previews: makePreviews(redis, now, options.previews?.lookMs),
    changes: makeChanges(redis),
    environmentStates: makeEnvironmentStates(redis, now),
    releases: makeReleases(redis),
    statuses: makeStatuses(redis),
    logs: makeLogs(redis),
    queue,
    async close(): Promise<void> {
      await queue.close()
      runs.close()
      redis.disconnect()
    },
  }
}

/** Random bytes from the system, asked for by the page: every run needs a few. */
function makeRandom(): (bytes: number) => Uint8Array {
  let page = Buffer.alloc(0)
  return (bytes) => {
    if (page.length < bytes) page = randomBytes(Math.max(4096, bytes))
    const taken = page.subarray(0, bytes)
    page = page.subarray(bytes)
    return taken
  }
}
