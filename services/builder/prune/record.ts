import type { Config } from '@taxiway/chassis/config.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import type { RepositoryId } from '@taxiway/domain/ids.ts'
import { isTerminal, type Run } from '@taxiway/domain/run/run.ts'
import { makeRegistryApi } from '@taxiway/registry/api.ts'
import { registryHost } from '@taxiway/store/access/registries.ts'
import { digestsIn, type InUse } from '@taxiway/store/runs/retention.ts'
import type { Store } from '@taxiway/store/store.ts'
import { makeUnpublish, type Unpublished } from './registry.ts'

export interface PruneRecordDeps {
  config: Pick<Config, 'registry' | 'keepRunsDays'>
  store: Store
  logger: Pick<Logger, 'info' | 'warn'>
}
const dayMs = 24 * 3_600_000
/** So many runs of each repository stay in the record, however old. */
const newestKept = 100
/** More than this is left to the next pass. */
const mostRuns = 2000
const pageOfNewer = 100

/** An old run, and what is to be done about it. */
interface Old {
  run: Run
  hasImages: boolean
  isForgotten: boolean
}

/**
 * Makes the pass that forgets what is too old: first the images of old runs in the registry, then the runs themselves, but
 * never what a kept release is made of. A registry that does not allow it is told once, and left alone by this process.
 */
export function makePruneRecord(deps: PruneRecordDeps): (signal?: AbortSignal) => Promise<void> {
  const closed = new Set<string>()
  return async function pruneRecordOnce(signal) {
    const { config, store, logger } = deps
    const before = new Date(store.now().getTime() - config.keepRunsDays * dayMs)
    const inUse = await store.retention.inUse()
    const counts = { images: 0, runs: 0 }
    for (const [repo, olds] of await findOld(store, before, inUse)) {
      signal?.throwIfAborted()
      const isAway = await unpublishAll(deps, closed, { repo, olds, before, inUse, counts }, signal).then(
        () => false,
        (error) => {
          signal?.throwIfAborted()
          logger.warn({ err: error, repo }, 'old images could not be removed, will try again')
          return true
        },
      )
      // What a run published is known by its record only.
      if (isAway) continue
      for (const { run, isForgotten } of olds) if (isForgotten && (await store.retention.remove(run))) counts.runs += 1
    }
    if (counts.images + counts.runs > 0) logger.info(counts, 'old runs pruned')
  }
}

async function findOld(store: Store, before: Date, inUse: InUse): Promise<Map<RepositoryId, Old[]>> {
  const found = new Map<RepositoryId, Old[]>()
  const registered = new Set((await store.repositories.list()).map(({ id }) => id))
  let count = 0
  for await (const run of store.retention.oldRuns(before)) {
    const isNewest = registered.has(run.repo) && (await store.retention.isAmongNewest(run, newestKept))
    const isKept = inUse.runs.has(run.id) || isNewest
    const isPublished = run.images.some(({ digest }) => digest) && !(await store.retention.isUnpublished(run.id))
    if (isKept && !isPublished) continue
    found.set(run.repo, [...(found.get(run.repo) ?? []), { run, hasImages: isPublished, isForgotten: !isKept }])
    count += 1
    if (count >= mostRuns) break
  }
  return found
}

interface Batch {
  repo: RepositoryId
  olds: Old[]
  before: Date
  inUse: InUse
  counts: { images: number }
}

async function unpublishAll(
  { config, store, logger }: PruneRecordDeps,
  closed: Set<string>,
  { repo, olds, before, inUse, counts }: Batch,
  signal?: AbortSignal,
): Promise<void> {
  const host = registryHost(config.registry.prefix.split('/')[0] ?? '')
  if (closed.has(host) || !olds.some(({ hasImages }) => hasImages)) return
  const auth = (await store.registries.credentials(config.registry))[host]
  // First the keys that nobody uses: after this, no new run can take over what they stand for.
  const keyed = await store.imageKeys.forgetUnused(repo, before)
  const unpublish = makeUnpublish({
    host,
    api: makeRegistryApi(host, auth, signal),
    numbers: new Set(olds.map(({ run }) => run.number)),
    kept: new Set<string>([
      ...inUse.digests,
      ...keyed.map(({ digest }) => digest),
      ...(await digestsOfNewer(store, repo, before)),
    ]),
  })
  for (const { run, hasImages } of olds) {
    if (!hasImages) continue
    const done: Unpublished = await unpublish(run)
    if (done === 'not_allowed') {
      closed.add(host)
      logger.warn({ registry: host }, 'the registry does not allow to remove images, so old ones stay in it')
      return
    }
    counts.images += done.removed
    if (done.isDone) await store.retention.markUnpublished(run.id)
  }
}

/** Every digest that a newer or open run names: its own images, and those that it took over. */
async function digestsOfNewer(store: Store, repo: RepositoryId, before: Date): Promise<Set<string>> {
  const digests = new Set<string>()
  let from: number | undefined
  for (;;) {
    const { runs, next } = await store.runs.list({ repo, limit: pageOfNewer, before: from })
    for (const run of runs)
      if (!isTerminal(run.state) || Date.parse(run.createdAt) >= before.getTime())
        for (const digest of digestsIn(JSON.stringify(run.images))) digests.add(digest)
    // Open runs are among the newest, so older pages name nothing that is kept.
    if (next === undefined || runs.every((run) => Date.parse(run.createdAt) < before.getTime())) return digests
    from = next
  }
}
