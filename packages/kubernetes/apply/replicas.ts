import { setTimeout as sleep } from 'node:timers/promises'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { type Cluster, messageOf, type Wait } from '../cluster/call.ts'
import { stale } from '../inventory.ts'
import {
  type ClusterRelease,
  describe,
  generationOf,
  isNewer,
  isOurs,
  type KubeObject,
  keys,
  pathOf,
  refOf,
} from '../object.ts'
import { fieldManager } from './ownership.ts'

// Who says how many pods a workload has: an autoscaler where one scales it; else a step of a strategy while a release takes
// over, a person between releases (adjust.ts), and the manifest.

/** Holds the number of replicas of what an autoscaler scales from then on. */
const scaleManager = 'taxiway-scale'
/** Annotation: the generation that last said how many pods it has. Whoever is older says so no more. */
const scaledBy = 'taxiway.dev/scaled-by'
const writeTries = 20
const pollMs = 100

const numberOf = ({ spec }: KubeObject) => (spec ?? {}) as { replicas?: number }

/** `Kind/name` of what autoscalers among these objects scale -> the name of the one that does. */
export function autoscalersOf(objects: readonly KubeObject[]): Map<string, string> {
  const scalers = new Map<string, string>()
  for (const { kind, metadata, spec } of objects) {
    const { scaleTargetRef: target } = (spec ?? {}) as { scaleTargetRef?: { kind?: string; name?: string } }
    if (kind === 'HorizontalPodAutoscaler' && target?.name) scalers.set(`${target.kind}/${target.name}`, metadata.name)
  }
  return scalers
}

/** The same of all autoscalers in the namespace, whoever made them. None when that may not be read. */
export async function autoscaledIn(
  cluster: Cluster,
  namespace: string,
  wait: Wait,
): Promise<Outcome<Map<string, string>>> {
  const kind = 'HorizontalPodAutoscaler'
  // This version is known to all clusters, whichever one the autoscaler was made by.
  const path = pathOf(namespace, { apiVersion: 'autoscaling/v1', kind })
  const answer = await cluster.call<{ items?: KubeObject[] }>({ method: 'GET', path, may403: true }, wait)
  return answer.ok ? done(autoscalersOf((answer.value.body.items ?? []).map((one) => ({ ...one, kind })))) : answer
}

/** The object with as many replicas as the live one has, if it names a number: that is the autoscaler's to say. */
export function withReplicasOf(object: KubeObject, live: KubeObject): KubeObject {
  const { replicas } = numberOf(live)
  if (numberOf(object).replicas === undefined || replicas === undefined) return object
  return { ...object, spec: { ...numberOf(object), replicas } }
}

/**
 * A release that leaves the number of replicas to an autoscaler names it no more, and what nobody names falls back to 1 (see
 * "Transferring ownership" on kubernetes.io/docs/reference/using-api/server-side-apply). So the number as it is gets another
 * holder first.
 * @returns true when it was handed over just now: the object is another than it was read
 */
export async function handOverReplicas(
  cluster: Cluster,
  object: KubeObject,
  live: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const { replicas } = numberOf(live)
  const isLeft = numberOf(object).replicas === undefined && autoscalersOf(release.objects).has(describe(object))
  if (!isLeft || !replicas || !holds(live, fieldManager) || holds(live, scaleManager)) return done(false)
  const { apiVersion, kind, metadata } = object
  const answer = await cluster.call(
    {
      method: 'PATCH',
      path: pathOf(release.namespace, refOf(object)),
      query: { fieldManager: scaleManager },
      body: { apiVersion, kind, metadata: { name: metadata.name }, spec: { replicas } },
      contentType: 'application/apply-patch+yaml',
    },
    wait,
  )
  return answer.ok ? done(answer.value.status < 300) : answer
}

function holds({ metadata: { managedFields = [] } }: KubeObject, manager: string): boolean {
  return managedFields.some((entry) => {
    const fields = (entry as { fieldsV1?: { 'f:spec'?: Record<string, unknown> } }).fieldsV1
    return entry.manager === manager && fields?.['f:spec']?.['f:replicas'] !== undefined
  })
}

const deploymentPath = (release: Pick<ClusterRelease, 'namespace'>, name: string) =>
  pathOf(release.namespace, { apiVersion: 'apps/v1', kind: 'Deployment', name })

/** A Deployment of the environment as it is; undefined when there is none. */
export async function readDeployment(
  cluster: Cluster,
  release: ClusterRelease,
  name: string,
  wait: Wait,
): Promise<Outcome<KubeObject | undefined>> {
  const answer = await cluster.call<KubeObject>({ method: 'GET', path: deploymentPath(release, name) }, wait)
  if (!answer.ok) return answer
  const { status, body } = answer.value
  if (status === 404) return done(undefined)
  if (status !== 200) throw new Error(`could not read Deployment/${name}: ${status} ${messageOf(body)}`)
  return done(isOurs(body, release) && !body.metadata.deletionTimestamp ? body : undefined)
}

/** How many pods a live Deployment is to have. */
export const replicasOf = (live: KubeObject): number => (live.spec as { replicas?: number }).replicas ?? 1

/**
 * Says how many pods a Deployment of an earlier release has, and nothing else of it; `wanted` is given what it has now. A
 * release that is older than the last that did so is stale, as is one that meets a newer object. @returns false: it is gone
 */
export async function setReplicas(
  cluster: Cluster,
  release: ClusterRelease,
  name: string,
  wanted: (now: number) => number,
  wait: Wait,
): Promise<Outcome<boolean>> {
  for (let tries = 0; tries < writeTries; tries++) {
    const read = await readDeployment(cluster, release, name, wait)
    if (!read.ok) return read
    const live = read.value
    if (!live) return done(false)
    const held = { generation: generationOf(live), runId: live.metadata.annotations?.[keys.run] }
    if (isNewer(held, release)) return stale(release, held.generation)
    const by = Number(live.metadata.annotations?.[scaledBy]) || 0
    if (by > release.generation) return stale(release, by)
    const replicas = wanted(replicasOf(live))
    if (replicas === replicasOf(live) && by === release.generation) return done(true)
    // Written even when the number stays: who read before, and is older, then meets a conflict.
    const body = {
      metadata: {
        resourceVersion: live.metadata.resourceVersion,
        annotations: { [scaledBy]: String(release.generation) },
      },
      spec: { replicas },
    }
    const answer = await cluster.call(
      {
        method: 'PATCH',
        path: deploymentPath(release, name),
        query: { fieldManager },
        body,
        contentType: 'application/merge-patch+json',
      },
      wait,
    )
    if (!answer.ok) return answer
    if (answer.value.status === 200) return done(true)
    if (answer.value.status !== 409 && answer.value.status !== 404)
      return refuse('manifest_invalid', { object: `Deployment/${name}`, detail: messageOf(answer.value.body) })
  }
  return refuse('manifest_conflict', {
    object: `Deployment/${name}`,
    detail: 'it changes faster than it can be scaled',
  })
}

/** Waits until a Deployment has no pod too many; with `allReady`, also none too few. @returns false: not within the wait */
export async function awaitScaled(
  cluster: Cluster,
  release: ClusterRelease,
  name: string,
  { allReady }: { allReady: boolean },
  wait: Wait,
): Promise<Outcome<boolean>> {
  for (;;) {
    const read = await readDeployment(cluster, release, name, wait)
    if (!read.ok) return read
    if (!read.value) return done(true)
    const { metadata, status } = read.value
    const { observedGeneration = 0, replicas = 0, availableReplicas = 0 } = (status ?? {}) as Record<string, number>
    const wanted = replicasOf(read.value)
    const isSeen = observedGeneration >= (metadata.generation ?? 0)
    if (isSeen && replicas <= wanted && (!allReady || availableReplicas >= wanted)) return done(true)
    if (performance.now() + pollMs > wait.untilMs) return done(false)
    await sleep(pollMs, undefined, { signal: wait.signal })
  }
}
