import type { EnvironmentRules } from '@taxiway/domain/environment.ts'
import type { RepositoryId } from '@taxiway/domain/ids.ts'
import type { Redis } from './connection.ts'
import { keys } from './keys.ts'

/** The environments of repositories: which there are, and what admins rule for them. */
export function makeEnvironments(redis: Redis) {
  return {
    /** Names of those that were given a release or a rule. */
    names: async (repo: RepositoryId): Promise<string[]> => (await redis.smembers(keys.environments(repo))).sort(),

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
  }
}
