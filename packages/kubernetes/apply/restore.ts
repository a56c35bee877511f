import type { Verdict } from '@taxiway/domain/environment/release.ts'
import type { Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { type ClusterRelease, refOf } from '../object.ts'
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
  failed: Pick<ClusterRelease, 'objects'>,
  wait: Wait,
): Promise<Outcome<Verdict>> {
  const applied = await applyWhole(cluster, release, wait)
  if (!applied.ok) return applied
  const verdict = await watchWhole(cluster, release, wait)
  if (!verdict.ok || !verdict.value.healthy) return verdict
  const pruned = await pruneWhole(cluster, release, { only: failed.objects.map(refOf) }, wait)
  return pruned.ok ? verdict : pruned
}
