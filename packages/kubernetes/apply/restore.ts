import { setTimeout as sleep } from 'node:timers/promises'
import type { Verdict } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { isReady } from '../health/pod.ts'
import { type ClusterRelease, type KubeObject, keys, type Pod, pathOf, refOf, selectorOf } from '../object.ts'
import { applyWhole, pruneWhole, watchWhole } from '../steps/whole.ts'

/** An earlier release as it is given again: Jobs have done their work and are not run a second time. */
export const withoutJobs = (release: ClusterRelease): ClusterRelease => ({
  ...release,
  objects: release.objects.filter(({ kind }) => kind !== 'Job'),
})

/** A release that runs nothing: Deployments and StatefulSets at 0 replicas; what can't be scaled is left out, so pruned. */
export const stopped = (release: ClusterRelease): ClusterRelease => ({
  ...release,
  objects: release.objects
    .filter(({ kind }) => !['Job', 'DaemonSet', 'HorizontalPodAutoscaler'].includes(kind))
    .map((object) =>
      object.kind === 'Deployment' || object.kind === 'StatefulSet'
        ? { ...object, spec: { ...(object.spec as object), replicas: 0 } }
        : object,
    ),
})

/** Applies a release over one that failed, waits until it is healthy, and removes what only the failed one had. */
export async function putBack(
  cluster: Cluster,
  release: ClusterRelease,
  failed: Pick<ClusterRelease, 'runId' | 'objects'>,
  wait: Wait,
): Promise<Outcome<Verdict>> {
  const applied = await applyWhole(cluster, release, wait)
  if (!applied.ok) return applied
  const unstuck = await unstickStatefulSets(cluster, release, failed.runId, wait)
  if (!unstuck.ok) return unstuck
  const verdict = await watchWhole(cluster, release, wait)
  if (!verdict.ok || !verdict.value.healthy) return verdict
  const pruned = await pruneWhole(cluster, release, { only: failed.objects.map(refOf) }, wait)
  return pruned.ok ? verdict : pruned
}

const observePollMs = 100

/**
 * A StatefulSet waits for its broken pod to become ready before it replaces it (kubernetes/kubernetes#67250), so the broken
 * pods are deleted: once the controller knows the restored template, or it would make them again from the failed one.
 */
async function unstickStatefulSets(
  cluster: Cluster,
  release: ClusterRelease,
  failedRunId: string,
  wait: Wait,
): Promise<Outcome<void>> {
  const sets = release.objects.filter(({ kind }) => kind === 'StatefulSet')
  if (sets.length === 0) return done(undefined)
  for (const set of sets) {
    const observed = await awaitObserved(cluster, pathOf(release.namespace, refOf(set)), wait)
    if (!observed.ok) return observed
  }
  const names = new Set(sets.map(({ metadata }) => metadata.name))
  const path = `/api/v1/namespaces/${release.namespace}/pods`
  const pods = await cluster.call<{ items?: Pod[] }>(
    { method: 'GET', path, query: { labelSelector: selectorOf(release) } },
    wait,
  )
  if (!pods.ok) return pods
  for (const pod of pods.value.body.items ?? []) {
    const owner = (pod.metadata.ownerReferences as { kind: string; name: string }[] | undefined)?.[0]
    const isStuck = owner?.kind === 'StatefulSet' && names.has(owner.name) && !isReady(pod)
    if (!isStuck || pod.metadata.annotations?.[keys.run] !== failedRunId) continue
    const body = { preconditions: { uid: pod.metadata.uid } }
    const deleted = await cluster.call({ method: 'DELETE', path: `${path}/${pod.metadata.name}`, body }, wait)
    if (!deleted.ok) return deleted
  }
  return done(undefined)
}

async function awaitObserved(cluster: Cluster, path: string, wait: Wait): Promise<Outcome<void>> {
  while (true) {
    const answer = await cluster.call<KubeObject>({ method: 'GET', path }, wait)
    if (!answer.ok) return answer
    const { metadata, status } = answer.value.body
    const { observedGeneration = 0 } = (status ?? {}) as { observedGeneration?: number }
    if (observedGeneration >= (metadata?.generation ?? 0) || performance.now() > wait.untilMs) return done(undefined)
    await sleep(observePollMs, undefined, { signal: wait.signal })
  }
}
