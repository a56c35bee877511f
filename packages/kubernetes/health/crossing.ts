import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { besideLabel, type ClusterRelease, describe, isOurs, type KubeObject, keys, pathOf } from '../object.ts'
import { aimOf, podLabelsOf, selects } from '../steps/services.ts'

const kinds = [
  { apiVersion: 'v1', kind: 'Service' },
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'apps/v1', kind: 'StatefulSet' },
  { apiVersion: 'apps/v1', kind: 'DaemonSet' },
]

/** Services that select pods of two environments of one namespace, a sentence each. Nothing of what may not be read. */
export async function findCrossings(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<string[]>> {
  const others: KubeObject[] = []
  // Ours by a label, but of another environment.
  const query = { labelSelector: `${keys.environment},!${besideLabel}` }
  for (const ref of kinds) {
    const path = pathOf(release.namespace, ref)
    const answer = await cluster.call<{ items?: KubeObject[] }>({ method: 'GET', path, query, may403: true }, wait)
    if (!answer.ok) return answer
    // Items of a list carry neither apiVersion nor kind.
    others.push(...(answer.value.body.items ?? []).map((item) => ({ ...item, ...ref })))
  }
  return done(crossingsIn(release, others))
}

/** Pure: given what others have in the namespace. */
export function crossingsIn(release: ClusterRelease, live: readonly KubeObject[]): string[] {
  const others = live.filter((one) => !isOurs(one, release))
  const meets = (service: KubeObject, workload: KubeObject): boolean =>
    service.kind === 'Service' && selects(aimOf(service).selector, podLabelsOf(workload))
  const whose = ({ metadata }: KubeObject): string => {
    const isSame = metadata.labels?.[keys.repository] === release.repositoryId
    return `environment ${metadata.labels?.[keys.environment]}${isSame ? '' : ' of another repository'}`
  }
  const found = others.flatMap((other) =>
    release.objects.flatMap((own) => [
      ...(meets(own, other) ? [`${describe(own)} also selects pods of ${whose(other)}`] : []),
      ...(meets(other, own)
        ? [`${describe(other)} of ${whose(other)} also selects pods of environment ${release.environment}`]
        : []),
    ]),
  )
  return [...new Set(found)]
}

/** Services of a release whose selector fits none of its pods. */
export const servicesWithoutPods = ({ objects }: Pick<ClusterRelease, 'objects'>): string[] =>
  objects
    .filter((one) => one.kind === 'Service' && Object.keys(aimOf(one).selector).length > 0)
    .filter((one) => !objects.some((other) => selects(aimOf(one).selector, podLabelsOf(other))))
    .map(describe)
