import type { SeenState } from '@taxiway/domain/environment/state.ts'
import type { RepositoryId } from '@taxiway/domain/ids.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'

/** One environment of one repository. */
export interface EnvironmentRef {
  repo: RepositoryId
  name: string
}
/** An environment that a release is live in. */
export interface LiveEnvironment extends EnvironmentRef {
  generation: number
}

/** A deployer that is up. */
export interface Deployer {
  id: string
  /** Names of the targets that it rolls out to; none: all. */
  serves: string[]
}

/** Who rolls out to a target: those that name it, else those that serve all. */
export function serving(deployers: readonly Deployer[], target: string): Deployer[] {
  const naming = deployers.filter(({ serves }) => serves.includes(target))
  return naming.length > 0 ? naming : deployers.filter(({ serves }) => serves.length === 0)
}

/** What nobody has looked at for so long is forgotten. */
const keptMs = 7 * 24 * 3600_000
/** A deployer that has not been heard of for so long does not share the work. */
const silentMs = 15_000

/** What deployers see of environments after their roll-outs. */
export function makeEnvironmentStates(redis: Redis, now: () => Date) {
  const hold = loadScript(redis, new URL('./hold-lane.lua', import.meta.url))
  const write = loadScript(redis, new URL('./write-state.lua', import.meta.url))
  return {
    /** All environments of registered repositories that a release is live in. */
    async live(): Promise<LiveEnvironment[]> {
      const repos = (await redis.zrange(keys.repositories, '0', '-1')) as RepositoryId[]
      const names = await Promise.all(repos.map((repo) => redis.smembers(keys.environments(repo))))
      const all = repos.flatMap((repo, index) => (names[index] ?? []).map((name) => ({ repo, name })))
      const live = await Promise.all(all.map(({ repo, name }) => redis.hget(keys.environment(repo, name), 'live')))
      return all.flatMap((one, index) => (live[index] ? [{ ...one, generation: Number(live[index]) }] : []))
    },

    /** The generation of the release that is live, without reading it; 0: none. */
    liveGeneration: async ({ repo, name }: EnvironmentRef): Promise<number> =>
      Number(await redis.hget(keys.environment(repo, name), 'live')) || 0,

    /** Says that this deployer is up. */
    announce: async (own: Deployer): Promise<void> =>
      void (await redis.zadd(keys.deployers, now().getTime(), memberOf(own))),

    /** All deployers that are up, in order. */
    async deployers(): Promise<Deployer[]> {
      await redis.zremrangebyscore(keys.deployers, '-inf', now().getTime() - silentMs)
      return (await redis.zrange(keys.deployers, '0', '-1')).sort().map((member) => {
        const [id = '', ...serves] = member.split(' ')
        return { id, serves }
      })
    },
    leave: async (own: Deployer): Promise<void> => void (await redis.zrem(keys.deployers, memberOf(own))),

    /** Takes or keeps the task of looking at an environment. @returns false while another deployer has it */
    holdWatch: async ({ repo, name }: EnvironmentRef, holder: string, leaseMs: number): Promise<boolean> =>
      (await hold([keys.watch(repo, name)], [holder, leaseMs])) === 1,
    async leaveWatch({ repo, name }: EnvironmentRef, holder: string): Promise<void> {
      if ((await redis.get(keys.watch(repo, name))) === holder) await redis.del(keys.watch(repo, name))
    },

    /** Keeps what was seen. @returns false when looking at it is another's task by now */
    write: async ({ repo, name }: EnvironmentRef, holder: string, state: SeenState): Promise<boolean> =>
      (await write([keys.watch(repo, name), keys.seen(repo, name)], [holder, JSON.stringify(state), keptMs])) === 1,

    /** What was seen last. */
    async read({ repo, name }: EnvironmentRef): Promise<SeenState | undefined> {
      const text = await redis.get(keys.seen(repo, name))
      return text ? JSON.parse(text) : undefined
    },

    /** Does somebody roll out to it now? */
    isRollingOut: async ({ repo, name }: EnvironmentRef): Promise<boolean> =>
      (await redis.exists(keys.lane(repo, name))) === 1,
  }
}

const memberOf = ({ id, serves }: Deployer): string => [id, ...serves].join(' ')
