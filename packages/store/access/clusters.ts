import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterCheck, ClusterView } from '@taxiway/domain/cluster/cluster.ts'
import type { ClusterAccess } from '@taxiway/domain/cluster/kubeconfig.ts'
import { newId } from '@taxiway/domain/ids.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import type { Secrets } from './secrets.ts'

/** A cluster as it is kept. Only a deployer opens what is sealed: `cluster-access.ts`. */
export interface StoredCluster {
  /** Changes with every writing: connections made under another are renewed. */
  revision: string
  sealed: string
  server?: string
  inCluster?: boolean
  updatedAt: string
}
/** What a deployer is asked to look at. */
export interface AskedCheck {
  name: string
  sealed: string
  namespace?: string
}

/** What access is sealed under. */
export const accessName = (name: string): string => `cluster/${name}`
/** A check that nobody took or waits for any more is forgotten after so many seconds, and with it what it carries. */
export const checkLivesSeconds = 60
const mostAsked = 100
const answerPollMs = 50

/** Registered clusters: written, listed and checked, never opened here. */
export function makeClusters(
  redis: Redis,
  secrets: Secrets,
  { now, random }: { now: () => Date; random: (bytes: number) => Uint8Array },
) {
  const stored = async (name: string): Promise<StoredCluster | undefined> => {
    const text = await redis.hget(keys.clusters, name)
    return text ? JSON.parse(text) : undefined
  }
  const view = (name: string, cluster: StoredCluster, checked: string | null | undefined): ClusterView => {
    const { revision, sealed: _, ...rest } = cluster
    const known = checked ? (JSON.parse(checked) as { revision: string; check: ClusterCheck }) : undefined
    return { name, ...rest, ...(known?.revision === revision ? { check: known.check } : {}) }
  }
  return {
    stored,

    /** Seals access to a cluster under its name. */
    async seal(name: string, access: ClusterAccess): Promise<StoredCluster> {
      return {
        revision: newId('revision', random),
        sealed: await secrets.seal(accessName(name), JSON.stringify(access)),
        ...(access.inCluster ? { inCluster: true } : { server: access.server }),
        updatedAt: now().toISOString(),
      }
    },

    /** Writes a cluster, in the place of an earlier one of the name. */
    async save(name: string, cluster: StoredCluster): Promise<void> {
      await redis.hset(keys.clusters, name, JSON.stringify(cluster))
    },

    /** Keeps what was found; it is shown as long as the cluster is the one that was looked at. */
    async keepCheck(name: string, { revision }: StoredCluster, check: ClusterCheck): Promise<void> {
      await redis.hset(keys.clusterChecks, name, JSON.stringify({ revision, check }))
    },

    async read(name: string): Promise<ClusterView | undefined> {
      const [cluster, checked] = await Promise.all([stored(name), redis.hget(keys.clusterChecks, name)])
      return cluster ? view(name, cluster, checked) : undefined
    },

    async list(): Promise<ClusterView[]> {
      const [all, checks] = await Promise.all([redis.hgetall(keys.clusters), redis.hgetall(keys.clusterChecks)])
      return Object.entries(all)
        .map(([name, text]) => view(name, JSON.parse(text), checks[name]))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
    },

    /** @returns false when there was none */
    async remove(name: string): Promise<boolean> {
      const [removed] = (await redis.multi().hdel(keys.clusters, name).hdel(keys.clusterChecks, name).exec()) ?? []
      return removed?.[1] === 1
    },

    /** Has a deployer look at a cluster, registered or not yet. @returns undefined when none did within `deadlineMs` */
    async check(asked: AskedCheck, deadlineMs: number): Promise<ClusterCheck | undefined> {
      const id = newId('check', random)
      await redis
        .multi()
        .set(keys.askedCheck(id), JSON.stringify(asked), 'EX', checkLivesSeconds)
        .lpush(keys.askedChecks, id)
        .ltrim(keys.askedChecks, 0, mostAsked - 1)
        .expire(keys.askedChecks, checkLivesSeconds)
        .exec()
      for (const until = performance.now() + deadlineMs; performance.now() < until; await sleep(answerPollMs)) {
        const answer = await redis.getdel(keys.checkAnswer(id))
        if (answer) return JSON.parse(answer)
      }
      await redis.del(keys.askedCheck(id))
      return undefined
    },
  }
}
