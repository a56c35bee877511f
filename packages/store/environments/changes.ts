import type { ByHand, Change } from '@taxiway/domain/environment/change.ts'
import type { RepositoryId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'
import type { EnvironmentRef } from './seen.ts'

/** Older changes than this many are forgotten. */
const keptChanges = 50
/** So many may wait at a time in one environment. */
const mostWaiting = 10

const memberOf = ({ repo, name }: EnvironmentRef): string => `${repo}/${name}`

/** What people change in environments between two releases: asked for by the api, carried out by a deployer. */
export function makeChanges(redis: Redis) {
  const add = loadScript(redis, new URL('./add-change.lua', import.meta.url))
  const finish = loadScript(redis, new URL('./finish-change.lua', import.meta.url))
  const setByHand = loadScript(redis, new URL('./set-by-hand.lua', import.meta.url))
  const list = async ({ repo, name }: EnvironmentRef): Promise<Change[]> => {
    const all = Object.entries(await redis.hgetall(keys.changes(repo, name)))
    return all.map(([id, text]) => ({ ...JSON.parse(text), id: Number(id) }) as Change).sort((a, b) => b.id - a.id)
  }
  return {
    /** Keeps a change; one that is `waiting` is carried out by a deployer. */
    async add(environment: EnvironmentRef, change: Omit<Change, 'id'>): Promise<Outcome<Change>> {
      const { repo, name } = environment
      const id = await add(
        [keys.environment(repo, name), keys.changes(repo, name), keys.openChanges],
        [JSON.stringify(change), memberOf(environment), keptChanges, mostWaiting],
      )
      return id === 0 ? refuse('changes_waiting', { count: mostWaiting }) : done({ ...change, id: Number(id) })
    },

    /** Those that are kept, newest first. */
    list,

    /** Those that wait, in the order in which they were asked for. */
    waiting: async (environment: EnvironmentRef): Promise<Change[]> =>
      (await list(environment)).filter(({ state }) => state === 'waiting').reverse(),

    /** Environments with changes that wait. */
    open: async (): Promise<EnvironmentRef[]> =>
      (await redis.smembers(keys.openChanges)).map((member) => {
        const [repo = '', name = ''] = member.split('/')
        return { repo: repo as RepositoryId, name }
      }),

    /** Writes how a waiting change ended. Nothing happens when it has ended already. */
    async finish(environment: EnvironmentRef, { id, ...change }: Change): Promise<void> {
      const { repo, name } = environment
      await finish([keys.changes(repo, name), keys.openChanges], [id, JSON.stringify(change), memberOf(environment)])
    },

    /** Takes an environment off those with changes that wait, if none of its changes does. */
    settle: async (environment: EnvironmentRef): Promise<void> => {
      const { repo, name } = environment
      await finish([keys.changes(repo, name), keys.openChanges], [0, '', memberOf(environment)])
    },

    /** The replicas that people chose for the release that is live. */
    async byHand({ repo, name }: EnvironmentRef): Promise<Record<string, number>> {
      const [text, live] = await redis.hmget(keys.environment(repo, name), 'byHand', 'live')
      const known: ByHand | undefined = text ? JSON.parse(text) : undefined
      return known && String(known.generation) === live ? known.replicas : {}
    },

    /**
     * Keeps replicas that a person chose for the live release; undefined forgets them.
     * @returns false when the environment is not the holder's, or another release is live
     */
    async setByHand(
      { repo, name }: EnvironmentRef,
      holder: string,
      { generation, workload, replicas }: { generation: number; workload: string; replicas: number | undefined },
    ): Promise<boolean> {
      const places = [keys.environment(repo, name), keys.lane(repo, name)]
      return (await setByHand(places, [holder, generation, workload, replicas ?? ''])) === 1
    },
  }
}
