import type { EnvironmentRules, Hold } from '@taxiway/domain/environment/environment.ts'
import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'

/** So many releases that fail one after another put a hold on their environment. */
const failuresToHold = 2

/** How long the numbers of one that is gone are kept: longer than anything of it may still be under way. */
const numbersKeptMs = 90 * 24 * 3_600_000

/** The environments of repositories: which there are, what admins rule for them, and whether they are on hold. */
export function makeEnvironments(redis: Redis, now: () => Date) {
  const note = loadScript(redis, new URL('./note-outcome.lua', import.meta.url))
  return {
    /** Names of those that were given a release or a rule. */
    names: async (repo: RepositoryId): Promise<string[]> => (await redis.smembers(keys.environments(repo))).sort(),

    /** Is there an environment (`<repository id>/<name>`), of a repository that is registered? */
    async isKnown(place: string): Promise<boolean> {
      const [repo, name = ''] = place.split('/') as [RepositoryId, string?]
      const [isRegistered, isNamed] = await Promise.all([
        redis.exists(keys.repository(repo)),
        redis.sismember(keys.environments(repo), name),
      ])
      return isRegistered === 1 && isNamed === 1
    },

    forget: makeForget(redis),

    async rules(repo: RepositoryId, environment: string): Promise<EnvironmentRules> {
      const text = await redis.hget(keys.environment(repo, environment), 'rules')
      return text ? JSON.parse(text) : {}
    },

    async setRules(repo: RepositoryId, environment: string, rules: EnvironmentRules): Promise<void> {
      await redis
        .multi()
        .hset(keys.environment(repo, environment), 'rules', JSON.stringify(rules))
        .sadd(keys.environments(repo), environment)
        .exec()
    },

    async hold(repo: RepositoryId, environment: string): Promise<Hold | undefined> {
      const text = await redis.hget(keys.environment(repo, environment), 'hold')
      return text ? JSON.parse(text) : undefined
    },

    /** Puts a hold on the environment, unless there is one. */
    putHold: async (repo: RepositoryId, environment: string, reason: string): Promise<void> => {
      const hold: Hold = { reason, since: now().toISOString() }
      await redis
        .multi()
        .hsetnx(keys.environment(repo, environment), 'hold', JSON.stringify(hold))
        .sadd(keys.environments(repo), environment)
        .exec()
    },

    /** Takes the hold away, and forgets what failed before. */
    liftHold: async (repo: RepositoryId, environment: string): Promise<void> =>
      void (await redis.hdel(keys.environment(repo, environment), 'hold', 'failing')),

    /** Notes how the release of a run ended. @returns true when that put a hold on the environment */
    async noteOutcome(repo: RepositoryId, environment: string, runId: RunId, failure?: string): Promise<boolean> {
      const reason = `${failuresToHold} releases in a row failed, the last with: ${failure}`
      const hold: Hold = { reason, since: now().toISOString() }
      const isHealthy = failure === undefined ? '1' : '0'
      const put = await note(
        [keys.environment(repo, environment)],
        [runId, isHealthy, failuresToHold, JSON.stringify(hold)],
      )
      return put === 1
    },
  }
}

/** Makes what forgets an environment that was removed, with its rules and releases. It says false when somebody else holds it. */
function makeForget(redis: Redis) {
  const forget = loadScript(redis, new URL('./forget.lua', import.meta.url))
  return async (repo: RepositoryId, environment: string, holder: string): Promise<boolean> => {
    const places = [
      keys.previews(repo),
      keys.previewsDue,
      keys.lane(repo, environment),
      keys.previewTroubles(repo),
      keys.environment(repo, environment),
      keys.environments(repo),
      keys.releases(repo, environment),
      keys.seen(repo, environment),
      keys.changes(repo, environment),
      keys.openChanges,
    ]
    return (await forget(places, [environment, holder, `${repo}/${environment}`, numbersKeptMs])) === 1
  }
}
