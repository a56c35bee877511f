import type { Verdict } from '@taxiway/domain/environment/release.ts'
import { waveOf, wavesOf } from '@taxiway/domain/environment/waves.ts'
import type { Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { soakRelease } from '../health/soak.ts'
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

/**
 * Applies a release over one that failed, wave by wave, waits until it is healthy, removes what only the failed one had, and
 * keeps an eye on it for `soakMs`.
 */
export async function putBack(
  cluster: Cluster,
  release: ClusterRelease,
  { failed, soakMs = 0 }: { failed: Pick<ClusterRelease, 'runId' | 'objects'>; soakMs?: number | undefined },
  wait: Wait,
): Promise<Outcome<Verdict>> {
  const [first = 0, ...later] = wavesOf(release.objects)
  let verdict = await giveWave(cluster, release, first, wait)
  for (const wave of later)
    if (verdict.ok && verdict.value.healthy) verdict = await giveWave(cluster, release, wave, wait)
  if (!verdict.ok || !verdict.value.healthy) return verdict
  const pruned = await pruneWhole(cluster, release, { only: failed.objects.map(refOf), runId: failed.runId }, wait)
  if (!pruned.ok) return pruned
  return soakMs > 0 ? soakRelease(cluster, release, soakMs, wait) : verdict
}

/** Puts one wave in place, and waits until it and those before it are healthy. */
async function giveWave(
  cluster: Cluster,
  release: ClusterRelease,
  wave: number,
  wait: Wait,
): Promise<Outcome<Verdict>> {
  const those = (isMeant: (its: number) => boolean) => release.objects.filter((object) => isMeant(waveOf(object)))
  const applied = await applyWhole(
    cluster,
    { ...release, objects: those((its) => its === wave) },
    wait,
    release.objects,
  )
  return applied.ok
    ? watchWhole(cluster, { ...release, objects: those((its) => its <= wave) }, wait, release.objects)
    : applied
}
