import { setTimeout as sleep } from 'node:timers/promises'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { isObserved, readOwnedPods } from '../health/owned.ts'
import { isReady } from '../health/pod.ts'
import { type ClusterRelease, describe, type KubeObject, type Pod, pathOf, refOf } from '../object.ts'

const observePollMs = 100

interface SetSpec {
  updateStrategy?: { type?: string; rollingUpdate?: { partition?: number } }
}

/**
 * A StatefulSet waits for its broken pod to become ready before it replaces it (kubernetes/kubernetes#67250). So pods that are
 * not ready and were made from an older template are deleted, whatever run gave that: once the controller knows the new
 * template, or it would make them again from the old one. To be called when the objects of a release have been applied.
 */
export async function unstickStatefulSets(
  cluster: Cluster,
  release: Pick<ClusterRelease, 'namespace' | 'objects'>,
  wait: Wait,
): Promise<Outcome<void>> {
  const live: KubeObject[] = []
  for (const set of release.objects.filter(({ kind }) => kind === 'StatefulSet')) {
    const observed = await awaitObserved(cluster, pathOf(release.namespace, refOf(set)), wait)
    if (!observed.ok) return observed
    if (observed.value) live.push(observed.value)
  }
  if (live.length === 0) return done(undefined)
  const owned = await readOwnedPods(cluster, { namespace: release.namespace, kinds: [] }, wait)
  if (!owned.ok) return owned
  for (const set of live) {
    const current = new Set(owned.value.currentOf(set))
    const old = owned.value.of(set).filter((pod) => !current.has(pod))
    for (const pod of old.filter((one) => isStuck(one, set))) {
      wait.say(`Pod/${pod.metadata.name} deleted: it is not ready, and ${describe(set)} would wait for it for ever`)
      const path = `/api/v1/namespaces/${release.namespace}/pods/${pod.metadata.name}`
      const body = { preconditions: { uid: pod.metadata.uid } }
      const deleted = await cluster.call({ method: 'DELETE', path, body }, wait)
      if (!deleted.ok) return deleted
    }
  }
  return done(undefined)
}

/** Is it in the way of the new template? What people replace themselves, or hold back by a partition, is not. */
export function isStuck(pod: Pod, set: KubeObject): boolean {
  const { updateStrategy } = (set.spec ?? {}) as SetSpec
  const ordinal = Number(/-([0-9]+)$/.exec(pod.metadata.name)?.[1])
  const isHeldBack = ordinal < (updateStrategy?.rollingUpdate?.partition ?? 0)
  return !pod.metadata.deletionTimestamp && !isReady(pod) && updateStrategy?.type !== 'OnDelete' && !isHeldBack
}

/** The set, once its controller has seen it; undefined when it is gone, or not seen in time. */
async function awaitObserved(cluster: Cluster, path: string, wait: Wait): Promise<Outcome<KubeObject | undefined>> {
  while (true) {
    const answer = await cluster.call<KubeObject>({ method: 'GET', path }, wait)
    if (!answer.ok) return answer
    const { status, body } = answer.value
    if (status === 200 && isObserved(body)) return done(body)
    if (status !== 200 || performance.now() > wait.untilMs) return done(undefined)
    await sleep(observePollMs, undefined, { signal: wait.signal })
  }
}
