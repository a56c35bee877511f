import { setTimeout as sleep } from 'node:timers/promises'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { isRunning, podsOf } from '../job/end.ts'
import { type ClusterRelease, describe, type KubeObject, pathOf, refOf } from '../object.ts'
import { isOver } from './job.ts'
import { deleteObject } from './prune.ts'

const pollMs = 200
/** So long whatever is still to be done for an object that is removed may take, unless it is known to take longer. */
const heldMs = 5_000
/** Finalizers that let go by themselves: the API server's own, and the one of load balancers, which takes a minute. */
const lettingGo = ['foregroundDeletion', 'orphan', 'service.kubernetes.io/load-balancer-cleanup']

/** Waits until an object that is being removed is gone. `manifest_conflict` names the finalizer that holds it. */
export async function awaitRemoved(
  cluster: Cluster,
  { namespace }: Pick<ClusterRelease, 'namespace'>,
  removed: KubeObject,
  wait: Wait,
): Promise<Outcome<void>> {
  const heldUntilMs = Math.min(wait.untilMs, performance.now() + heldMs)
  for (;;) {
    const read = await cluster.call<KubeObject>({ method: 'GET', path: pathOf(namespace, refOf(removed)) }, wait)
    if (!read.ok) return read
    const { metadata } = read.value.body
    if (read.value.status === 404 || metadata?.uid !== removed.metadata.uid) return done(undefined)
    const holding = (metadata.finalizers ?? []).filter((finalizer) => !lettingGo.includes(finalizer))
    // One call before the end, so that it is not said of the API that it does not answer.
    if (performance.now() + pollMs > (holding.length > 0 ? heldUntilMs : wait.untilMs)) {
      const who = holding[0] ?? metadata.finalizers?.[0]
      return refuse('manifest_conflict', {
        object: describe(removed),
        trouble: 'of an earlier release is still being removed',
        detail: who
          ? `finalizer ${who} holds it; what set it must let go, or a person takes the finalizer off`
          : 'it takes longer than this release may',
      })
    }
    await sleep(pollMs, undefined, { signal: wait.signal })
  }
}

/** Removes a Job that is to be made anew; as long as something of it is at work, that is waited for. */
export async function replaceJob(
  cluster: Cluster,
  release: ClusterRelease,
  live: KubeObject,
  wait: Wait,
): Promise<Outcome<void>> {
  for (let isTold = false; !isOver(live); isTold = true) {
    const pods = await podsOf(cluster, release, live, wait)
    if (!pods.ok) return pods
    if (!pods.value.some(isRunning)) break
    if (!isTold) wait.say(`${describe(live)} of an earlier release still runs; waiting for its end`)
    if (performance.now() + pollMs > wait.untilMs)
      return refuse('manifest_conflict', {
        object: describe(live),
        trouble: 'of an earlier release still runs',
        detail: 'nothing was done to it; push again when it has ended, or delete it first',
      })
    await sleep(pollMs, undefined, { signal: wait.signal })
  }
  const deleted = await deleteObject(cluster, release.namespace, live, wait)
  return deleted.ok ? done(undefined) : deleted
}
