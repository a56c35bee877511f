import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { besideLabel, type ClusterRelease, hashLabel, type KubeObject, pathOf, refOf } from '../object.ts'

/** The name under which the API server records our fields. */
export const fieldManager = 'taxiway'

/** Where our fields stand under operation Update, as after a POST; -1 when they are ours by Apply. */
function indexOfUpdate({ metadata: { managedFields = [] } }: KubeObject): number {
  const ours = managedFields.filter(({ manager }) => manager === fieldManager)
  if (ours.some(({ operation }) => operation === 'Apply')) return -1
  return managedFields.findIndex(({ manager, operation }) => manager === fieldManager && operation === 'Update')
}

/** Are our fields not yet ours by Apply? */
export const isUnowned = (live: KubeObject): boolean => indexOfUpdate(live) >= 0

/**
 * Server-side apply can't say "only if it does not exist", so objects are made by POST, which records our fields under
 * operation Update. This makes them ours by Apply; otherwise a field that a later manifest drops would stay.
 * @returns false when the object was changed since it was read
 */
export async function own(
  cluster: Cluster,
  live: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const body = [
    { op: 'replace', path: `/metadata/managedFields/${indexOfUpdate(live)}/operation`, value: 'Apply' },
    { op: 'replace', path: '/metadata/resourceVersion', value: live.metadata.resourceVersion },
  ]
  const path = pathOf(release.namespace, refOf(live))
  const answer = await cluster.call({ method: 'PATCH', path, body, contentType: 'application/json-patch+json' }, wait)
  return answer.ok ? done(answer.value.status === 200) : answer
}

/**
 * Labels by which a Service was held to some pods while a release took over go from its selector: applying only takes away
 * what was applied (in servers before 1.21, where a selector is merged key by key).
 * @returns false when it was changed since
 */
export async function ownAim(
  cluster: Cluster,
  object: KubeObject,
  live: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const selectorOf = ({ spec }: KubeObject) =>
    (spec as { selector?: Record<string, unknown> } | undefined)?.selector ?? {}
  const extra = [besideLabel, hashLabel].filter((key) => key in selectorOf(live) && !(key in selectorOf(object)))
  if (object.kind !== 'Service' || extra.length === 0) return done(true)
  const answer = await cluster.call(
    {
      method: 'PATCH',
      path: pathOf(release.namespace, refOf(object)),
      query: { fieldManager },
      body: {
        metadata: { resourceVersion: live.metadata.resourceVersion },
        spec: { selector: Object.fromEntries(extra.map((key) => [key, null])) },
      },
      contentType: 'application/merge-patch+json',
    },
    wait,
  )
  return answer.ok ? done(answer.value.status === 200) : answer
}
