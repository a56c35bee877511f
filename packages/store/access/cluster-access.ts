import type { ClusterCheck } from '@taxiway/domain/cluster/cluster.ts'
import type { ClusterAccess } from '@taxiway/domain/cluster/kubeconfig.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { type AskedCheck, accessName, checkLivesSeconds, type StoredCluster } from './clusters.ts'
import { makeSecrets } from './secrets.ts'

/** Access to a registered cluster, and which writing of it this is. */
export interface OpenedCluster {
  revision: string
  access: ClusterAccess
}
/** A check that a deployer has taken, and whom it tells. */
export interface TakenCheck extends AskedCheck {
  access: ClusterAccess
  answer(check: ClusterCheck): Promise<void>
}
export type ClusterAccesses = ReturnType<typeof makeClusterAccesses>

/** Opens what registered clusters are reached with. Deployers only: a test holds that no other service imports this file. */
export function makeClusterAccesses(redis: Redis, secretKey: Uint8Array) {
  const secrets = makeSecrets(secretKey)
  const open = async (name: string, sealed: string): Promise<ClusterAccess> =>
    JSON.parse(await secrets.open(accessName(name), sealed))
  return {
    /** The revision of a cluster, without opening it. */
    async revision(name: string): Promise<string | undefined> {
      const text = await redis.hget(keys.clusters, name)
      return text ? (JSON.parse(text) as StoredCluster).revision : undefined
    },

    /** Is it the cluster that a deployer runs in, whichever that is? */
    async isInCluster(name: string): Promise<boolean> {
      const text = await redis.hget(keys.clusters, name)
      return text ? (JSON.parse(text) as StoredCluster).inCluster === true : false
    },

    /** A registered cluster. @throws Unreadable when it was sealed with another key */
    async open(name: string): Promise<OpenedCluster | undefined> {
      const text = await redis.hget(keys.clusters, name)
      if (!text) return undefined
      const { revision, sealed } = JSON.parse(text) as StoredCluster
      return { revision, access: await open(name, sealed) }
    },

    /**
     * Takes the check that was asked for first, opened. One that dies with its deployer is not taken again: whoever asked
     * hears that nobody looked. @param serves names of the targets that the deployer looks at; none: all. What it does not serve is
     * left to others. @returns undefined when none was asked for
     */
    async takeCheck(serves: readonly string[] = []): Promise<TakenCheck | undefined> {
      for (let id = await redis.rpop(keys.askedChecks); id; id = await redis.rpop(keys.askedChecks)) {
        const answer = keys.checkAnswer(id)
        const text = await redis.get(keys.askedCheck(id))
        if (!text) continue
        const asked = JSON.parse(text) as AskedCheck
        if (serves.length > 0 && !serves.includes(asked.name)) {
          await redis.lpush(keys.askedChecks, id)
          return undefined
        }
        await redis.del(keys.askedCheck(id))
        return {
          ...asked,
          access: await open(asked.name, asked.sealed),
          answer: async (check) => void (await redis.set(answer, JSON.stringify(check), 'EX', checkLivesSeconds)),
        }
      }
      return undefined
    },
  }
}
