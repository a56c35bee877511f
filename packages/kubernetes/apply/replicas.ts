import { setTimeout as sleep } from 'node:timers/promises'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { type Cluster, messageOf, type Wait } from '../cluster/call.ts'
import { stale } from '../inventory.ts'
import { type ClusterRelease, generationOf, isNewer, isOurs, type KubeObject, keys, pathOf } from '../object.ts'
import { fieldManager } from './ownership.ts'

// Who says how many pods a workload has: an autoscaler where one scales it (autoscalers.ts); else a step of a strategy while a release takes
// over, a person between releases (adjust.ts), and the manifest.

/** Annotation: the generation that last said how many pods it has. Whoever is older says so no more. */
const scaledBy = 'taxiway.dev/scaled-by'
const writeTries = 20
const pollMs = 100

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
