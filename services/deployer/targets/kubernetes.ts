import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '@taxiway/kubernetes/cluster.ts'
import type { ClusterRelease } from '@taxiway/kubernetes/object.ts'
import { stamp } from '../render.ts'
import type { ReleaseOrder, Restored, Target, Work } from '../target.ts'

/** Loads the client at first use: half a second and 90 MB that a process without a release need not pay. */
async function load() {
  const [cluster, apply, watch, inventory, restore] = await Promise.all([
    import('@taxiway/kubernetes/cluster.ts'),
    import('@taxiway/kubernetes/apply.ts'),
    import('@taxiway/kubernetes/watch.ts'),
    import('@taxiway/kubernetes/inventory.ts'),
    import('@taxiway/kubernetes/restore.ts'),
  ])
  return { ...cluster, ...apply, ...watch, ...inventory, ...restore }
}
type Client = Awaited<ReturnType<typeof load>>

/**
 * The cluster of a kubeconfig (default: KUBECONFIG, `~/.kube/config`, or the pod's own account) as a target. Refuses with
 * `target_unavailable` when there is no such kubeconfig or context.
 */
export function makeKubernetesTarget(options: { kubeconfig?: string; context?: string }): Target {
  let loading: Promise<{ client: Client; cluster: Cluster }> | undefined
  const connect = async () => {
    const client = await load()
    return { client, cluster: client.connectCluster(options) }
  }
  /** Runs one call against the connected cluster. */
  const using = async <T>(
    work: Work,
    call: (client: Client, cluster: Cluster, wait: Wait) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>> => {
    loading ??= connect()
    const wait = { untilMs: performance.now() + work.deadlineMs, signal: work.signal, say: work.say }
    const connected = await loading.catch((error: Error) => {
      loading = undefined
      return refuse('target_unavailable', { detail: error.message })
    })
    return 'client' in connected ? call(connected.client, connected.cluster, wait) : connected
  }
  return {
    kind: 'kubernetes',
    dryRun: (order, work) =>
      using(work, (client, cluster, wait) => client.dryRunRelease(cluster, releaseOf(order), wait)),
    apply: (order, work) =>
      using(work, (client, cluster, wait) => client.applyRelease(cluster, releaseOf(order), wait)),
    watch: (order, work) =>
      using(work, (client, cluster, wait) => client.watchRelease(cluster, releaseOf(order), wait)),
    prune: (order, work) =>
      using(work, async (client, cluster, wait) => {
        const pruned = await client.prune(cluster, releaseOf(order), wait)
        if (!pruned.ok) return pruned
        for (const name of pruned.value) work.say(`${name} removed`)
        return done(undefined)
      }),
    restore: (release, work) => using(work, (client, cluster, wait) => restore(client, cluster, release, wait)),
    live: (place, work) =>
      using(work, async (client, cluster, wait) => {
        const known = await client.readInventory(cluster, place, wait)
        if (!known.ok || !known.value) return known.ok ? done(undefined) : known
        return done({ generation: known.value.generation, runId: known.value.runId })
      }),
  }
}

async function restore(
  client: Client,
  cluster: Cluster,
  { failed, previous, generation }: Parameters<Target['restore']>[0],
  wait: Wait,
): Promise<Outcome<Restored>> {
  const order = releaseOf(stamp(previous ?? failed, generation))
  const release = previous ? client.withoutJobs(order) : client.stopped(order)
  const verdict = await client.putBack(cluster, release, failed.runId, wait)
  if (!verdict.ok) return verdict
  const words = previous ? `rolled back to ${previous.sha.slice(0, 7)}` : 'scaled to 0: there was no earlier release'
  if (verdict.value.healthy) return done({ complete: true, detail: words })
  return done({ complete: false, detail: `${words}, which is not healthy either: ${verdict.value.detail}` })
}

/** What the cluster needs to know of an order. */
const releaseOf = (order: ReleaseOrder): ClusterRelease => order
