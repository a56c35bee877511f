import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'
import type { Reason } from '@taxiway/domain/reason.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'

/** Where a preview is. */
export interface PreviewPlace {
  namespace: string
  cluster?: string
  /** The kind of what carries it. */
  target: 'kubernetes' | 'docker'
}
/** An environment of one pull request, as it was deployed last. */
export interface Preview extends PreviewPlace {
  repo: RepositoryId
  environment: string
  /** The environment of the pipeline file. */
  of: string
  /** Of the pull request. */
  number: number
  runId: RunId
  updatedAt: string
  /** It is removed when it was not deployed for so long. */
  ttlMs: number
  url?: string
  /** Other places that it was deployed to before: they go with it. */
  former?: PreviewPlace[]
}
/** Why a preview could not be removed when that was last tried. */
export interface PreviewTrouble {
  reason: Reason
  tries: number
  at: string
}
/** A cluster that a repository's previews were ever deployed to; without a name, the one the deployer goes to unless told. */
export interface PreviewCluster {
  repo: RepositoryId
  cluster?: string
}

const takenAtOnce = 100

const memberOf = ({ repo, environment }: PreviewRef): string => `${repo}/${environment}`
/** A preview, by repository and environment. */
export type PreviewRef = Pick<Preview, 'repo' | 'environment'>

const answers = ['full', 'kept', 'full_in_all'] as const
type Kept = (typeof answers)[number] | 'fenced'

/**
 * The previews of pull requests that stand, or were begun. A deployer that is at one holds its environment.
 * @param lookEveryMs how often a preview is held against its pull request
 */
export function makePreviews(redis: Redis, now: () => Date, lookEveryMs = 60_000) {
  const keep = loadScript(redis, new URL('./keep-preview.lua', import.meta.url))
  const take = loadScript(redis, new URL('./take-previews.lua', import.meta.url))
  const list = async (repo: RepositoryId): Promise<Preview[]> =>
    Object.values(await redis.hgetall(keys.previews(repo))).map((text) => JSON.parse(text) as Preview)
  return {
    /**
     * Writes down what is deployed now. A new one counts: `full` when `most` of its environment of the file stand already,
     * `full_in_all` when `mostInAll` of the repository do.
     */
    async keep(
      preview: Preview,
      { holder, most, mostInAll }: { holder: string; most: number; mostInAll: number },
    ): Promise<Kept> {
      const { repo, environment, of, cluster } = preview
      const where: PreviewCluster = { repo, ...(cluster === undefined ? {} : { cluster }) }
      const kept = await keep(
        [...placesOf(preview), keys.previewClusters, keys.environments(repo)],
        [
          environment,
          JSON.stringify(preview),
          holder,
          of,
          most,
          memberOf(preview),
          now().getTime() + lookEveryMs,
          JSON.stringify(where),
          mostInAll,
        ],
      )
      return answers[kept as number] ?? 'fenced'
    },

    async read(repo: RepositoryId, environment: string): Promise<Preview | undefined> {
      const text = await redis.hget(keys.previews(repo), environment)
      return text ? JSON.parse(text) : undefined
    },

    /** All of a repository. */
    list,

    /** Takes those that are to be looked at now; they are due again at the next look, whatever becomes of it. */
    async take(): Promise<PreviewRef[]> {
      const nowMs = now().getTime()
      const due = await take([keys.previewsDue], [nowMs, nowMs + lookEveryMs, takenAtOnce])
      return (due as string[]).map((member) => {
        const [repo = '', environment = ''] = member.split('/')
        return { repo: repo as RepositoryId, environment }
      })
    },

    /** Has those of a pull request looked at as soon as may be. */
    async lookSoon(repo: RepositoryId, number: number): Promise<void> {
      for (const preview of await list(repo))
        if (preview.number === number) await redis.zadd(keys.previewsDue, 'XX', 0, memberOf(preview))
    },
    ...troublesOf(redis, now),
    ...clustersOf(redis),
  }
}

/** What both scripts begin with. */
const placesOf = ({ repo, environment }: PreviewRef): string[] => [
  keys.previews(repo),
  keys.previewsDue,
  keys.lane(repo, environment),
  keys.previewTroubles(repo),
  keys.environment(repo, environment),
]

const troublesOf = (redis: Redis, now: () => Date) => ({
  /** Notes that it could not be removed, and looks again only after the pause. */
  async noteTrouble(preview: PreviewRef, trouble: PreviewTrouble, pauseMs: number): Promise<void> {
    await redis
      .multi()
      .hset(keys.previewTroubles(preview.repo), preview.environment, JSON.stringify(trouble))
      .zadd(keys.previewsDue, 'XX', now().getTime() + pauseMs, memberOf(preview))
      .exec()
  },

  async trouble(repo: RepositoryId, environment: string): Promise<PreviewTrouble | undefined> {
    const text = await redis.hget(keys.previewTroubles(repo), environment)
    return text ? JSON.parse(text) : undefined
  },
})

const clustersOf = (redis: Redis) => ({
  /** Clusters that previews were ever deployed to. */
  clusters: async (): Promise<PreviewCluster[]> =>
    (await redis.smembers(keys.previewClusters)).map((text) => JSON.parse(text) as PreviewCluster),
  forgetCluster: async (where: PreviewCluster): Promise<void> =>
    void (await redis.srem(keys.previewClusters, JSON.stringify(where))),
})
