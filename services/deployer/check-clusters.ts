import type { Logger } from '@taxiway/chassis/logger.ts'
import { type ClusterFindings, tellFindings } from '@taxiway/domain/cluster/cluster.ts'
import type { ClusterAccess } from '@taxiway/domain/cluster/kubeconfig.ts'
import type { ClusterAccesses, TakenCheck } from '@taxiway/store/access/cluster-access.ts'

const lookMs = 8_000

/**
 * One pass: begins to look at every cluster that somebody asked about. Registering waits for the answer, so passes come
 * often, and none waits for a cluster that does not answer.
 */
export const makeCheckClusters =
  ({
    accesses,
    serves,
    now,
    logger,
  }: {
    accesses: ClusterAccesses
    serves: readonly string[]
    now: () => Date
    logger: Logger
  }) =>
  async (signal: AbortSignal): Promise<void> => {
    for (let taken = await accesses.takeCheck(serves); taken; taken = await accesses.takeCheck(serves))
      look(taken, now, signal).catch((error) => logger.warn({ err: error }, 'a check of a cluster was lost'))
  }

async function look({ name, access, namespace, answer }: TakenCheck, now: () => Date, signal: AbortSignal) {
  const { where, ...found } = await findings(name, access, namespace, signal)
  await answer({ at: now().toISOString(), ...found, words: tellFindings({ where, ...found }) })
}

async function findings(
  name: string,
  access: ClusterAccess,
  namespace: string | undefined,
  signal: AbortSignal,
): Promise<ClusterFindings> {
  const { connectCluster } = await import('@taxiway/kubernetes/cluster/connection.ts')
  const { lookOver } = await import('@taxiway/kubernetes/cluster/check.ts')
  try {
    const cluster = connectCluster({ access })
    const wait = { untilMs: performance.now() + lookMs, signal, say: () => {} }
    return await lookOver(cluster, { access, namespace }, wait).finally(() => cluster.close())
  } catch (error) {
    // Neither a fault of ours: credentials that no connection can be made with, or no pod's account here.
    return { where: name, usable: false, problem: (error as Error).message, lacks: [], warnings: [] }
  }
}
