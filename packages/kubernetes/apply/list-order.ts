import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { type ClusterRelease, type KubeObject, pathOf, refOf } from '../object.ts'
import { fieldManager } from './ownership.ts'

type Json = Record<string, unknown>
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const nameOf = (item: unknown): unknown => (isObject(item) ? item.name : undefined)

/**
 * The lists of named entries in which a live object has those of the manifest in another order, as a merge patch that writes
 * each such list whole; undefined when all are in order. What others added comes last. Pure.
 */
export function inOrder(wanted: unknown, live: unknown): unknown {
  if (isObject(wanted) && isObject(live)) {
    const changed = Object.entries(wanted).flatMap(([key, value]) => {
      const patch = inOrder(value, live[key])
      return patch === undefined ? [] : [[key, patch] as const]
    })
    return changed.length > 0 ? Object.fromEntries(changed) : undefined
  }
  if (!Array.isArray(wanted) || !Array.isArray(live)) return undefined
  const names = wanted.map(nameOf)
  // Where a name stands twice (a volume that is mounted at two places) it is not what entries are known by.
  if (!areKeys(names) || !areKeys(live.map(nameOf))) return undefined
  const placeOf = (item: unknown) => (names.includes(nameOf(item)) ? names.indexOf(nameOf(item)) : names.length)
  const places = live.map(placeOf).filter((place) => place < names.length)
  // Where others have put theirs is their matter.
  const isRight = places.every((place, at) => at === 0 || place > (places[at - 1] ?? 0))
  const sorted = isRight ? live : live.toSorted((a, b) => placeOf(a) - placeOf(b))
  const patches = sorted.map((item) => inOrder(wanted[placeOf(item)], item))
  if (isRight && patches.every((patch) => patch === undefined)) return undefined
  return sorted.map((item, at) =>
    isObject(patches[at]) ? { ...(item as Json), ...deepened(item, patches[at]) } : item,
  )
}

const areKeys = (names: unknown[]): boolean => !names.includes(undefined) && new Set(names).size === names.length

/** The parts of an entry that a patch changes, whole. */
const deepened = (item: unknown, patch: Json): Json =>
  Object.fromEntries(
    Object.entries(patch).map(([key, value]) => {
      const before = (item as Json)[key]
      return [key, isObject(value) && isObject(before) ? { ...before, ...deepened(before, value) } : value]
    }),
  )

/**
 * Lists keep the manifest's order (init containers run in it): servers before 1.25 or so leave entries where they were and put
 * new ones last (kubernetes/kubernetes#104641). @returns false when the object was changed since
 */
export async function putInOrder(
  cluster: Cluster,
  object: KubeObject,
  live: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const spec = inOrder(object.spec, live.spec)
  if (spec === undefined) return done(true)
  const body = { metadata: { resourceVersion: live.metadata.resourceVersion }, spec }
  const answer = await cluster.call(
    {
      method: 'PATCH',
      path: pathOf(release.namespace, refOf(object)),
      query: { fieldManager },
      body,
      contentType: 'application/merge-patch+json',
    },
    wait,
  )
  return answer.ok ? done(answer.value.status === 200) : answer
}
