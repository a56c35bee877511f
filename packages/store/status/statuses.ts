import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'

/** What the git host was last told for a context of a commit. */
export interface PostedStatus {
  sequence: number
  state: 'pending' | 'success' | 'failure' | 'error'
  description: string
  targetUrl: string
}

/** What the newest run for a branch, tag or pull request says of a commit in a context. */
export interface SaidStatus extends PostedStatus {
  weight: number
  isTrusted: boolean
}

/** Context and subject of what was said, in one field. */
const between = '\n'

/** Which runs' statuses may differ from the git host's, and what it was told. */
export function makeStatuses(redis: Redis) {
  const settle = loadScript(redis, new URL('./settle-status.lua', import.meta.url))
  return {
    /** Ids of the runs to look at now, and the pause in milliseconds until the next one is due. */
    async due(limit: number): Promise<{ ids: RunId[]; nextMs: number | undefined }> {
      const [seconds, micros] = await redis.time()
      const nowMs = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
      const ids = (await redis.zrangebyscore(keys.statusDue, '-inf', nowMs, 'LIMIT', 0, limit)) as RunId[]
      const [, score] = await redis.zrangebyscore(keys.statusDue, `(${nowMs}`, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
      return { ids, nextMs: score === undefined ? undefined : Number(score) - nowMs }
    },

    /** Nothing to do until the run moves again; a run that moved since it was read stays due. */
    settle: async (run: Run): Promise<void> =>
      void (await settle([keys.statusDue, keys.run(run.id)], [run.id, run.version])),

    /** Looks again in `pauseMs`. */
    async later(id: RunId, pauseMs: number): Promise<void> {
      const [seconds] = await redis.time()
      await redis.zadd(keys.statusDue, Number(seconds) * 1000 + pauseMs, id)
    },

    /** What the git host was last told of a commit, by context; and what its runs say, by context and subject. */
    async posted(
      repo: RepositoryId,
      sha: string,
    ): Promise<{ posted: Map<string, PostedStatus>; said: Map<string, Map<string, SaidStatus>> }> {
      const posted = new Map<string, PostedStatus>()
      const said = new Map<string, Map<string, SaidStatus>>()
      for (const [field, text] of Object.entries(await redis.hgetall(keys.statusPosted(repo, sha)))) {
        const [context = '', subject] = field.split(between)
        if (subject === undefined) posted.set(context, JSON.parse(text))
        else said.set(context, (said.get(context) ?? new Map()).set(subject, JSON.parse(text)))
      }
      return { posted, said }
    },

    /** Keeps what a run says, in the place of what an earlier one for the same subject said. */
    async say(repo: RepositoryId, sha: string, context: string, subject: string, said: SaidStatus): Promise<void> {
      await redis.hset(keys.statusPosted(repo, sha), `${context}${between}${subject}`, JSON.stringify(said))
    },

    async savePosted(repo: RepositoryId, sha: string, context: string, status: PostedStatus): Promise<void> {
      await redis.hset(keys.statusPosted(repo, sha), context, JSON.stringify(status))
    },
  }
}
