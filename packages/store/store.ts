import { randomBytes } from 'node:crypto'
import { makeCaches } from './caches.ts'
import { makeChanges } from './changes.ts'
import { makeClusters } from './clusters.ts'
import { connect, type Redis } from './connection.ts'
import { makeDiffs } from './diffs.ts'
import { makeEnvironmentStates } from './environment-states.ts'
import { makeEnvironments } from './environments.ts'
import { makeImageKeys } from './image-keys.ts'
import { makeLogs } from './logs.ts'
import { makeNamespaces } from './namespaces.ts'
import { makePreviews } from './previews.ts'
import { makeProvenance } from './provenance.ts'
import { makePulledImages } from './pulled-images.ts'
import { makeQueue } from './queue.ts'
import { makeRegistries } from './registries.ts'
import { makeReleases } from './releases.ts'
import { makeRepositories } from './repositories.ts'
import { makeRepositorySecrets } from './repository-secrets.ts'
import { makeRetention } from './retention.ts'
import { makeRuns } from './runs.ts'
import { makeSecrets } from './secrets.ts'
import { makeStatuses } from './statuses.ts'
import { makeTokens } from './tokens.ts'
import { makeTurns } from './turn.ts'

export type Store = ReturnType<typeof openStore>

/** Everything kept in Redis, over one connection, and a few more where many deliveries come in. */
export function openStore(options: {
  redisUrl: string
  secretKey: Uint8Array
  now?: () => Date
  random?: (bytes: number) => Uint8Array
}) {
  const now = options.now ?? (() => new Date())
  const random = options.random ?? makeRandom()
  const redis: Redis = connect(options.redisUrl)
  const queue = makeQueue(redis)
  const runs = makeRuns(redis, now)
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
    previews: makePreviews(redis, now),
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
