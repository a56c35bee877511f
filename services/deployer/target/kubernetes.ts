import { stat } from 'node:fs/promises'
import type { ReleaseJob, ReleaseOrder, RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { Restored, Target } from '@taxiway/domain/environment/target.ts'
import { waveOf } from '@taxiway/domain/environment/waves.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { findOthers } from '@taxiway/kubernetes/adopt/adopt.ts'
import { readStanding } from '@taxiway/kubernetes/adopt/standing.ts'
import { applyObject, dryRunRelease } from '@taxiway/kubernetes/apply/apply.ts'
import { removePreview } from '@taxiway/kubernetes/apply/remove.ts'
import { putBack, stopped, withoutJobs } from '@taxiway/kubernetes/apply/restore.ts'
import { apiVersions } from '@taxiway/kubernetes/cluster/api-versions.ts'
import { type Cluster, clusterVersion, type Wait } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import { findCrossings } from '@taxiway/kubernetes/health/crossing.ts'
import { soakRelease } from '@taxiway/kubernetes/health/soak.ts'
import { readInventory } from '@taxiway/kubernetes/inventory.ts'
import { endClusterJob } from '@taxiway/kubernetes/job/end.ts'
import { runClusterJob } from '@taxiway/kubernetes/job/job.ts'
import { listPreviews } from '@taxiway/kubernetes/namespace.ts'
import { describe, stamped } from '@taxiway/kubernetes/object.ts'
import { givePull, mayGivePull, type PullCredentials, pullsWith } from '@taxiway/kubernetes/pull.ts'
import { dryRunSecrets, giveSecrets, type SecretValues } from '@taxiway/kubernetes/secret.ts'
import { advance, checkStrategy } from '@taxiway/kubernetes/steps/strategy.ts'
import { applyWhole, backOut, pruneWhole, watchWhole } from '@taxiway/kubernetes/steps/whole.ts'
import { keepPulling, liveCalls } from './kubernetes-live.ts'

/** What leads to a cluster. The revision changes when that does: then the next call makes a new connection. */
export interface ClusterDoor {
  revision(): Promise<string | undefined>
  /** @throws when there is no such file or context, or the cluster is not registered any more */
  connect(): Promise<Cluster>
}

/** The door of a kubeconfig file. */
const doorOf = (options: { kubeconfig: string; context?: string }): ClusterDoor => ({
  revision: async () => {
    const found = await stat(options.kubeconfig).catch(() => undefined)
    return found ? `${found.mtimeMs} ${found.size}` : undefined
  },
  connect: async () => connectCluster(options),
})

/** Calls to what the door leads to now. */
function keepConnected(door: ClusterDoor, controllers: readonly string[]) {
  let connected: { revision: string | undefined; cluster: Promise<Cluster> } | undefined
  /** The connection of what stands there now. Calls that are under way keep theirs. */
  const reach = async (): Promise<Cluster> => {
    const revision = await door.revision()
    if (connected?.revision !== revision) connected = undefined
    connected ??= { revision, cluster: door.connect().then((cluster) => ({ ...cluster, controllers })) }
    const { cluster } = connected
    cluster.catch(() => {
      if (connected?.cluster === cluster) connected = undefined
    })
    return cluster
  }
  /** Runs one call against the connected cluster. */
  const using = async <T>(work: Work, call: (cluster: Cluster, wait: Wait) => Promise<Outcome<T>>) => {
    let cluster: Cluster
    try {
      cluster = await reach()
    } catch (error) {
      return refuse('target_unavailable', { detail: (error as Error).message })
    }
    return call(cluster, { untilMs: performance.now() + work.deadlineMs, signal: work.signal, say: work.say })
  }
  return { reach, using }
}

/**
 * A cluster as a target. It is connected at first use; without such a file, context or registered cluster every call refuses
 * with `target_unavailable`. Importing this file costs half a second and 90 MB: import it when the first release needs it.
 */
export function makeKubernetesTarget(
  source: { kubeconfig: string; context?: string } | ClusterDoor,
  {
    allowedOrigins = [],
    controllers = [],
    registryAuths = async () => ({}),
  }: {
    /** Origins that an analysis may ask. */
    allowedOrigins?: readonly string[]
    /** Field managers that an admin lists as controllers. */
    controllers?: readonly string[]
    /** What nodes pull images with, as it is now. */
    registryAuths?: () => Promise<PullCredentials>
  } = {},
): Target {
  const door = 'connect' in source ? source : doorOf(source)
  const { reach, using } = keepConnected(door, controllers)
  /** Makes what pods need of Secrets before they are made themselves. */
  const give = async (cluster: Cluster, order: ReleaseOrder, valuesOf: SecretValues | undefined, wait: Wait) => {
    const given = await giveSecrets(cluster, order, valuesOf, wait)
    if (!given.ok || !pullsWith(order.objects)) return given
    return givePull(cluster, order.namespace, await registryAuths(), wait)
  }
  return {
    kind: 'kubernetes',
    mayGivePull: (namespace, work) => using(work, (cluster, wait) => mayGivePull(cluster, namespace, wait)),
    keepPulling: keepPulling(using, registryAuths),
    where: (work) => using(work, async (cluster) => done(cluster.where)),
    ground: (work) =>
      using(work, async (cluster, wait) => {
        const version = await clusterVersion(cluster, wait)
        return version.ok ? done({ kind: 'kubernetes', minor: minorOf(version.value) }) : version
      }),
    apiVersions: (work) => using(work, apiVersions),
    runJob: (order, job, work, onOutput) =>
      using(work, async (cluster, wait) => {
        const needing = { ...order, objects: [...order.objects, job.object] }
        const given = await give(cluster, needing, work.secretValues, wait)
        if (!given.ok) return given
        for (const object of stamped({ ...order, objects: [...(job.needs ?? [])] }).objects) {
          const applied = await applyObject(cluster, object, order, wait)
          if (!applied.ok) return applied
          wait.say(`${describe(object)} ${applied.value}, which job ${job.name} needs`)
        }
        return runClusterJob(cluster, order, stampedJob(order, job), onOutput, wait)
      }),
    endJob: (order, job, work) => using(work, (cluster, wait) => endClusterJob(cluster, order, job.object, wait)),
    ...liveCalls(using, reach),
    found: (order, work) => using(work, (cluster, wait) => findOthers(cluster, order, wait)),
    dryRun: (order, work) => using(work, (cluster, wait) => dryRun(cluster, stamped(order), allowedOrigins, wait)),
    crossings: (order, work) => using(work, (cluster, wait) => findCrossings(cluster, order, wait)),
    advance: (order, work) =>
      using(work, async (cluster, wait) => {
        const { strategy } = order
        if (!strategy) return done({ healthy: true, ready: 'it has no steps' })
        const given = await give(cluster, order, work.secretValues, wait)
        if (!given.ok) return given
        return advance(cluster, stamped(order), { strategy, allowedOrigins, tell: work.tell ?? (() => {}) }, wait)
      }),
    apply: (order, work) =>
      using(work, async (cluster, wait) => {
        const given = await give(cluster, order, work.secretValues, wait)
        return given.ok ? applyWhole(cluster, stamped(onlyWave(order)), wait, stamped(order).objects) : given
      }),
    watch: (order, work) =>
      using(work, (cluster, wait) => watchWhole(cluster, stamped(untilWave(order)), wait, stamped(order).objects)),
    soak: (order, forMs, work) => using(work, (cluster, wait) => soakRelease(cluster, stamped(order), forMs, wait)),
    prune: (order, work, how = 'careful') =>
      using(work, async (cluster, wait) => {
        if (how === 'none') return done(undefined)
        const pruned = await pruneWhole(cluster, stamped(order), { how }, wait)
        if (!pruned.ok) return pruned
        for (const name of pruned.value) work.say(`${name} removed`)
        return done(undefined)
      }),
    restore: (release, work) =>
      using(work, (cluster, wait) =>
        restore(cluster, { ...release, give: (order) => give(cluster, order, work.secretValues, wait) }, wait),
      ),
    remove: (place, stillHeld, work) => using(work, (cluster, wait) => removePreview(cluster, place, stillHeld, wait)),
    previews: (work) => using(work, (cluster, wait) => listPreviews(cluster, wait)),
    standing: (place, work) => using(work, (cluster, wait) => readStanding(cluster, place, wait)),
    live: (place, work) =>
      using(work, async (cluster, wait) => {
        const known = await readInventory(cluster, place, wait)
        if (!known.ok || !known.value) return known.ok ? done(undefined) : known
        return done({ generation: known.value.generation, runId: known.value.runId })
      }),
  }
}

const stampedJob = (order: ReleaseOrder, { object }: ReleaseJob): RenderedObject =>
  stamped({ ...order, objects: [object] }).objects[0] ?? object

/** What is applied at a turn: what came before it stands. */
const onlyWave = (order: ReleaseOrder): ReleaseOrder =>
  order.upTo === undefined ? order : { ...order, objects: order.objects.filter((one) => waveOf(one) === order.upTo) }
/** What must be healthy at a turn: Jobs of turns before have ended well. */
const untilWave = (order: ReleaseOrder): ReleaseOrder => {
  const { upTo } = order
  if (upTo === undefined) return order
  const isOpen = (one: RenderedObject) => waveOf(one) === upTo || (waveOf(one) < upTo && one.kind !== 'Job')
  return { ...order, objects: order.objects.filter(isOpen) }
}

async function dryRun(
  cluster: Cluster,
  order: ReleaseOrder,
  allowedOrigins: readonly string[],
  wait: Wait,
): Promise<Outcome<void>> {
  const version = await clusterVersion(cluster, wait)
  if (!version.ok) return version
  wait.say(`Kubernetes ${version.value} at ${cluster.where}`)
  const taken = await dryRunRelease(cluster, order, wait)
  if (!taken.ok) return taken
  const secrets = await dryRunSecrets(cluster, order, wait)
  if (!secrets.ok || !order.strategy) return secrets
  return checkStrategy(cluster, order, order.strategy, { allowedOrigins }, wait)
}

/** 20 of `v1.20.2`; a cluster that tells no such version is taken for a new one. */
const minorOf = (version: string): number => Number(/^v1\.([0-9]+)/.exec(version)?.[1] ?? Number.POSITIVE_INFINITY)

/** What was adopted comes from no commit. */
const backTo = ({ sha }: ReleaseOrder): string =>
  sha ? `rolled back to ${sha.slice(0, 7)}` : 'rolled back to what stood there before it was adopted'

type Restoring = Parameters<Target['restore']>[0] & { give: (order: ReleaseOrder) => Promise<Outcome<void>> }

async function restore(
  cluster: Cluster,
  { failed, previous, generation, soakMs, give }: Restoring,
  wait: Wait,
): Promise<Outcome<Restored>> {
  const order = stamped({ ...(previous ?? failed), generation })
  if (previous) {
    const given = await give(order)
    if (!given.ok) return given
  }
  if (!previous && failed.strategy) {
    const left = await backOut(cluster, order, wait)
    if (!left.ok) return left
    const words = 'the version before was left as it was'
    if (left.value !== undefined)
      return done({ complete: left.value, detail: left.value ? words : `${words}, which is not ready` })
  }
  const given = previous ? withoutJobs(order) : stopped(order)
  const verdict = await putBack(cluster, given, { failed, soakMs: previous && soakMs }, wait)
  if (!verdict.ok) return verdict
  const words = previous ? backTo(previous) : 'scaled to 0: there was no earlier release'
  if (verdict.value.healthy) return done({ complete: true, detail: words })
  return done({ complete: false, detail: `${words}, which is not healthy either: ${verdict.value.detail}` })
}
