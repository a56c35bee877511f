import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/connection.ts'
import { type ClusterRelease, type KubeObject, pathOf, refOf } from '../object.ts'

/** Holds the number of replicas of what an autoscaler scales from then on. */
const scaleManager = 'taxiway-scale'

/**
 * A release that leaves the number of replicas to an autoscaler names it no more, and what nobody names falls back to 1 (see
 * "Transferring ownership" on kubernetes.io/docs/reference/using-api/server-side-apply). So the number as it is gets another
 * holder first.
 * @returns true when it was handed over just now: the object is another than it was read
 */
export async function handOverReplicas(
  cluster: Cluster,
  object: KubeObject,
  { live, manager }: { live: KubeObject; manager: string },
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const { replicas } = (live.spec ?? {}) as { replicas?: number }
  const isLeft = (object.spec as { replicas?: number } | undefined)?.replicas === undefined && isScaled(object, release)
  if (!isLeft || !replicas || !holds(live, manager) || holds(live, scaleManager)) return done(false)
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

/** Does an autoscaler of the release scale it? */
function isScaled({ kind, metadata }: KubeObject, { objects }: ClusterRelease): boolean {
  return objects.some((object) => {
    if (object.kind !== 'HorizontalPodAutoscaler') return false
    const { scaleTargetRef } = (object.spec ?? {}) as { scaleTargetRef?: { kind?: string; name?: string } }
    return scaleTargetRef?.kind === kind && scaleTargetRef.name === metadata.name
  })
}

function holds({ metadata: { managedFields = [] } }: KubeObject, manager: string): boolean {
  return managedFields.some((entry) => {
    const fields = (entry as { fieldsV1?: { 'f:spec'?: Record<string, unknown> } }).fieldsV1
    return entry.manager === manager && fields?.['f:spec']?.['f:replicas'] !== undefined
  })
}
