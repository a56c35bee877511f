import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { type ClusterRelease, type KubeObject, pathOf, refOf } from '../object.ts'
import { fieldManager } from './ownership.ts'

// What the server filled in is nobody's, so a server-side apply leaves it: a choice (strategy, probe, volume) can't be changed to
// another, because what belongs to the first one stays. Made ours, it goes when the manifest does not name it.

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Fields as `managedFields` has them: `f:name`, or `k:{"name":"web"}` for an entry of a list. */
type Fields = { [key: string]: Fields }
interface Entry {
  manager?: string
  operation?: string
  fieldsV1?: Fields
}

/** What a server chooses for an object once and for all, and does not choose again. */
const chosen: Readonly<Record<string, readonly string[]>> = {
  Service: ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'ports', 'healthCheckNodePort'],
}
/** Their fields can't be changed at all, or are written by the cluster. */
const untouched = ['PersistentVolumeClaim', 'Job']

/** The fields under `spec` that the live object has, the manifest does not name and nobody holds. Pure. */
export function leftoversIn(live: KubeObject, object: KubeObject): Fields | undefined {
  if (untouched.includes(object.kind) || !isObject(live.spec) || !isObject(object.spec)) return undefined
  const kept = chosen[object.kind] ?? []
  const spec = Object.fromEntries(Object.entries(live.spec).filter(([name]) => !kept.includes(name)))
  const entries = (live.metadata.managedFields ?? []) as Entry[]
  const held = (isOwn: boolean) =>
    entries
      .filter(({ manager, operation }) => (manager === fieldManager && operation === 'Apply') === isOwn)
      .flatMap(({ fieldsV1 }) => fieldsV1?.['f:spec'] ?? [])
  return unheld(spec, object.spec, held(true), held(false))
}

/** @param own what our manifests named before; it goes by itself, and may hold what is nobody's */
function unheld(live: unknown, wanted: unknown, own: Fields[], others: Fields[]): Fields | undefined {
  const found: Fields = {}
  const add = (key: string, fields: Fields | undefined) => {
    if (fields) found[key] = fields
  }
  const under = (fields: Fields[], key: string) => fields.flatMap((one) => one[key] ?? [])
  if (isObject(live))
    for (const [name, value] of Object.entries(live)) {
      const key = `f:${name}`
      const next = isObject(wanted) ? wanted[name] : undefined
      const [ours, theirs] = [under(own, key), under(others, key)]
      if (next === undefined && theirs.length === 0 && ours.length === 0) add(key, {})
      else add(key, unheld(value, next, ours, theirs))
    }
  if (Array.isArray(live))
    for (const key of new Set([...own, ...others].flatMap(Object.keys).filter((one) => one.startsWith('k:')))) {
      const names = JSON.parse(key.slice(2)) as Json
      const find = (list: unknown) =>
        Array.isArray(list)
          ? list.find((item) => Object.entries(names).every(([name, value]) => Object(item)[name] === value))
          : undefined
      add(key, unheld(find(live), find(wanted), under(own, key), under(others, key)))
    }
  return Object.keys(found).length > 0 ? found : undefined
}

const merged = (one: Fields, other: Fields): Fields => {
  const all: Fields = { ...one }
  for (const [key, fields] of Object.entries(other)) all[key] = merged(all[key] ?? {}, fields)
  return all
}

/**
 * Makes what nobody holds and the manifest does not name ours; the object itself does not change by that.
 * @returns false when there is nothing of that kind; true: what is applied next takes it away
 */
export async function ownLeftovers(
  cluster: Cluster,
  object: KubeObject,
  live: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const fields = leftoversIn(live, object)
  const entries = (live.metadata.managedFields ?? []) as Entry[]
  const index = entries.findIndex(({ manager, operation }) => manager === fieldManager && operation === 'Apply')
  if (!fields || index < 0) return done(false)
  const body = [
    {
      op: 'replace',
      path: `/metadata/managedFields/${index}/fieldsV1`,
      value: merged(entries[index]?.fieldsV1 ?? {}, { 'f:spec': fields }),
    },
    { op: 'replace', path: '/metadata/resourceVersion', value: live.metadata.resourceVersion },
  ]
  const path = pathOf(release.namespace, refOf(live))
  const answer = await cluster.call({ method: 'PATCH', path, body, contentType: 'application/json-patch+json' }, wait)
  return answer.ok ? done(answer.value.status === 200 || answer.value.status === 409) : answer
}
