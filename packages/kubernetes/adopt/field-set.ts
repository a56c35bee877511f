import { fieldManager } from '../apply/ownership.ts'
import type { KubeObject } from '../object.ts'

/** Who wrote which fields, as the API server keeps it (`metadata.managedFields`). */
export type FieldEntry = NonNullable<KubeObject['metadata']['managedFields']>[number]
/** Fields as `fieldsV1` has them: `f:` a field, `k:` an item by its keys, `v:` an item by its value, `i:` by its place, `.` the thing itself. */
export interface FieldSet {
  [key: string]: FieldSet
}

/** Programs that put down what people wrote, though their names sound otherwise. */
const deployers = /^(argocd-|kustomize-controller|helm-controller|kapp-controller|fleet)/
/** What runs in a cluster and writes as it goes; `kubectl rollout restart` leaves a mark that must not go, or pods go with it. */
const automatic =
  /(controller|operator|scheduler|autoscaler|injector|admission|webhook)|^(kubelet|kube-|cloud-|cert-manager|keda|vpa-|istio|linkerd|manager$|kubectl-rollout|taxiway-scale)/

/**
 * Did somebody write the entry who says what the object is to be: a person or a tool, not the cluster and what runs in it?
 * @param controllers further names of what runs in it; `*` at the end stands for anything
 */
export function isAuthor({ manager = '', subresource = '' }: FieldEntry, controllers: readonly string[] = []): boolean {
  if (subresource !== '') return false
  const isListed = (name: string) => (name.endsWith('*') ? manager.startsWith(name.slice(0, -1)) : manager === name)
  if (controllers.some(isListed)) return false
  return deployers.test(manager) || !automatic.test(manager)
}

/** Is it what we applied? */
export const isOwnEntry = ({ manager, operation }: FieldEntry): boolean =>
  manager === fieldManager && operation === 'Apply'

/** All fields of these sets. */
export function union(sets: readonly FieldSet[]): FieldSet {
  const all: FieldSet = {}
  for (const set of sets)
    for (const [key, inner] of Object.entries(set))
      all[key] = Object.hasOwn(all, key) ? union([all[key] ?? {}, inner]) : inner
  return all
}

type Json = Record<string, unknown>
const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** What a value has of these fields; the order of lists stays. */
export function extract(value: unknown, fields: FieldSet): unknown {
  const inner = Object.entries(fields).filter(([key]) => key !== '.')
  // A field without any of its own is held as a whole.
  if (Object.keys(fields).length === 0) return value
  if (isMap(value))
    return Object.fromEntries(
      inner.flatMap(([key, set]) => {
        const name = key.slice(2)
        return key.startsWith('f:') && Object.hasOwn(value, name) ? [[name, extract(value[name], set)]] : []
      }),
    )
  if (!Array.isArray(value)) return value
  return value.flatMap((item, index) => {
    const found = inner.find(([key]) => isItem(item, index, key))
    if (!found) return []
    const [key, set] = found
    if (!key.startsWith('k:')) return [item]
    return [{ ...JSON.parse(key.slice(2)), ...(extract(item, set) as Json) }]
  })
}

function isItem(item: unknown, index: number, key: string): boolean {
  const text = key.slice(2)
  if (key.startsWith('i:')) return Number(text) === index
  const wanted = JSON.parse(text)
  if (key.startsWith('v:')) return JSON.stringify(item) === JSON.stringify(wanted)
  return key.startsWith('k:') && isMap(item) && Object.entries(wanted).every(([name, value]) => item[name] === value)
}
