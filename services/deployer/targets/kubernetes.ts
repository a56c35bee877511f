import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { applyRelease, dryRunRelease } from '@taxiway/kubernetes/apply.ts'
import { type Cluster, clusterVersion, connectCluster, type Wait } from '@taxiway/kubernetes/cluster.ts'
import { readInventory } from '@taxiway/kubernetes/inventory.ts'
import { prune } from '@taxiway/kubernetes/prune.ts'
import { putBack, stopped, withoutJobs } from '@taxiway/kubernetes/restore.ts'
import { soakRelease } from '@taxiway/kubernetes/soak.ts'
import { watchRelease } from '@taxiway/kubernetes/watch.ts'
import { stamp } from '../render.ts'
import type { ReleaseOrder, Restored, Target, Work } from '../target.ts'

/**
 * The cluster of a kubeconfig as a target. It is connected at first use; without such a file or context every call refuses
 * with `target_unavailable`. Importing this file costs half a second and 90 MB: import it when the first release needs it.
 */
export function makeKubernetesTarget(options: { kubeconfig: string; context?: string }): Target {
  let connected: Cluster | undefined
  /** Runs one call against the connected cluster. */
  const using = async <T>(work: Work, call: (cluster: Cluster, wait: Wait) => Promise<Outcome<T>>) => {
    try {
      connected ??= connectCluster(options)
    } catch (error) {
      return refuse('target_unavailable', { detail: (error as Error).message })
    }
    return call(connected, { untilMs: performance.now() + work.deadlineMs, signal: work.signal, say: work.say })
  }
  return {
    kind: 'kubernetes',
    dryRun: (order, work) => using(work, (cluster, wait) => dryRun(cluster, order, wait)),
    apply: (order, work) => using(work, (cluster, wait) => applyRelease(cluster, order, wait)),
    watch: (order, work) => using(work, (cluster, wait) => watchRelease(cluster, order, wait)),
    soak: (order, forMs, work) => using(work, (cluster, wait) => soakRelease(cluster, order, forMs, wait)),
    prune: (order, work, how = 'careful') =>
      using(work, async (cluster, wait) => {
        const pruned = await prune(cluster, order, { how }, wait)
        if (!pruned.ok) return pruned
        for (const name of pruned.value) work.say(`${name} removed`)
        return done(undefined)
      }),
    restore: (release, work) => using(work, (cluster, wait) => restore(cluster, release, wait)),
    live: (place, work) =>
      using(work, async (cluster, wait) => {
        const known = await readInventory(cluster, place, wait)
        if (!known.ok || !known.value) return known.ok ? done(undefined) : known
        return done({ generation: known.value.generation, runId: known.value.runId })
      }),
  }
}

async function dryRun(cluster: Cluster, order: ReleaseOrder, wait: Wait): Promise<Outcome<void>> {
  const version = await clusterVersion(cluster, wait)
  if (!version.ok) return version
  wait.say(`Kubernetes ${version.value} at ${cluster.where}`)
  return dryRunRelease(cluster, order, wait)
}

async function restore(
  cluster: Cluster,
  { failed, previous, generation }: Parameters<Target['restore']>[0],
  wait: Wait,
): Promise<Outcome<Restored>> {
  const order = stamp(previous ?? failed, generation)
  const verdict = await putBack(cluster, previous ? withoutJobs(order) : stopped(order), failed, wait)
  if (!verdict.ok) return verdict
  const words = previous ? `rolled back to ${previous.sha.slice(0, 7)}` : 'scaled to 0: there was no earlier release'
  if (verdict.value.healthy) return done({ complete: true, detail: words })
  return done({ complete: false, detail: `${words}, which is not healthy either: ${verdict.value.detail}` })
}
