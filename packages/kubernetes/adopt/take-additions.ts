import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { refusal } from '../apply/refusal.ts'
import type { Cluster, Status, Wait } from '../cluster/call.ts'
import { type ClusterRelease, type KubeObject, pathOf, refOf } from '../object.ts'
import type { Addition } from './additions.ts'
import { type FieldSet, isOwnEntry, union } from './field-set.ts'

/**
 * Makes what others added ours, and nobody else's; the object does not change by that. The next apply, which does not name it,
 * takes it away in one write with all else.
 * @returns true when it was done just now, or the object was changed meanwhile: it is another than it was read
 */
export async function takeAdditions(
  cluster: Cluster,
  live: KubeObject,
  additions: readonly Addition[],
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const { managedFields = [], resourceVersion } = live.metadata
  const own = managedFields.find((entry) => isOwnEntry(entry) && entry.apiVersion === live.apiVersion)
  if (!own || additions.length === 0) return done(false)
  const added = union(additions.map(({ fields }) => fields))
  const entries = managedFields.flatMap((entry) => {
    const fields = (entry.fieldsV1 ?? {}) as FieldSet
    if (entry === own) return [{ ...entry, fieldsV1: union([fields, added]) }]
    if (!additions.some(({ by }) => by === entry.manager) || entry.subresource) return [entry]
    const rest = without(fields, added)
    return rest ? [{ ...entry, fieldsV1: rest }] : []
  })
  const body = [
    { op: 'replace', path: '/metadata/managedFields', value: entries },
    { op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion },
  ]
  const path = pathOf(release.namespace, refOf(live))
  const call = { method: 'PATCH', path, body, contentType: 'application/json-patch+json' } as const
  const answer = await cluster.call<Status>(call, wait)
  if (!answer.ok) return answer
  const { status } = answer.value
  return status < 300 || status === 409 || status === 404 ? done(true) : refusal(live, answer.value)
}

/** What is left of fields; undefined: nothing. */
function without(fields: FieldSet, gone: FieldSet): FieldSet | undefined {
  const left = Object.entries(fields).flatMap(([key, inner]) => {
    const taken = Object.hasOwn(gone, key) ? gone[key] : undefined
    if (!taken) return [[key, inner] as const]
    // A thing that was taken as a whole has its own mark in what is gone.
    const rest = Object.keys(taken).length === 0 || Object.hasOwn(taken, '.') ? undefined : without(inner, taken)
    return rest ? [[key, rest] as const] : []
  })
  return left.length > 0 ? Object.fromEntries(left) : undefined
}
