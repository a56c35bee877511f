import { fieldManager } from '../apply/ownership.ts'
import type { KubeObject } from '../object.ts'
import { type FieldSet, isAuthor, union } from './field-set.ts'

/** What somebody added to an object: where it is, as JSON Pointers have it (RFC 6901), and by whom. */
export interface Addition {
  pointer: string
  by: string
  /** The same as a set of fields. */
  fields: FieldSet
}

type Json = Record<string, unknown>
const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** Notes that programs and people leave on objects and that change nothing, or nothing that may be undone. */
const notes =
  /^(kubectl\.kubernetes\.io|deployment\.kubernetes\.io|autoscaling\.alpha\.kubernetes\.io|taxiway\.dev)\/|^kubernetes\.io\/change-cause$/

/** What we write under a name of its own, as a person asked for it. */
const isOwnManager = (manager = ''): boolean => manager === fieldManager || manager.startsWith(`${fieldManager}-`)

/**
 * What people and tools added to an object, of which its manifest says nothing and no controller has a part: judged by who manages
 * which fields. How many replicas there are is not among it where the manifest leaves that open.
 * @param controllers further field managers that are controllers; `*` at the end stands for anything
 */
export function additionsTo(live: KubeObject, wanted: KubeObject, controllers: readonly string[] = []): Addition[] {
  // A Job can't be changed.
  if (live.kind === 'Job') return []
  const entries = (live.metadata.managedFields ?? []).filter(
    ({ manager, subresource, apiVersion = live.apiVersion }) =>
      !isOwnManager(manager) && !subresource && apiVersion === live.apiVersion,
  )
  // Of `kubectl rollout` the mark of a restart is left, that it paused something is not.
  const isPerson = (entry: (typeof entries)[number]) =>
    isAuthor(entry, controllers) || entry.manager === 'kubectl-rollout'
  const fieldsOf = (some: typeof entries) => union(some.map(({ fieldsV1 = {} }) => fieldsV1 as FieldSet))
  const kept = fieldsOf(
    (live.metadata.managedFields ?? []).filter((entry) => !entries.includes(entry) || !isPerson(entry)),
  )
  const found = new Map<string, Addition>()
  for (const entry of entries.filter(isPerson))
    for (const { pointer, fields } of walk(fieldsOf([entry]), { kept, live, wanted }, ''))
      found.set(pointer, { pointer, by: entry.manager ?? 'somebody', fields })
  return [...found.values()].filter(({ pointer }) => isMeant(pointer)).sort((a, b) => byPlace(b.pointer, a.pointer))
}

/** Labels and annotations but for notes, and all that is no status. */
function isMeant(pointer: string): boolean {
  const [first, second, ...rest] = pointer.slice(1).split('/')
  if (first === 'status' || pointer === '/spec/replicas') return false
  const key = rest.at(-1)?.replaceAll('~1', '/').replaceAll('~0', '~') ?? ''
  if (/\/annotations\/[^/]+$/.test(pointer) && notes.test(key)) return false
  return first !== 'metadata' || (['labels', 'annotations'].includes(second ?? '') && rest.length > 0)
}

interface Sides {
  kept: FieldSet | undefined
  live: unknown
  wanted: unknown
}

function walk(fields: FieldSet, { kept, live, wanted }: Sides, pointer: string): Omit<Addition, 'by'>[] {
  return Object.entries(fields).flatMap(([key, inner]) => {
    const at = key === '.' ? undefined : placeOf(live, key)
    if (at === undefined) return []
    const sides = {
      kept: kept && Object.hasOwn(kept, key) ? kept[key] : undefined,
      live: (live as Json)[at],
      wanted: entryOf(wanted, key),
    }
    const here = `${pointer}/${at.replaceAll('~', '~0').replaceAll('/', '~1')}`
    const isLeaf = Object.keys(inner).length === 0
    const isTheirs = sides.kept === undefined && sides.wanted === undefined
    // A map of labels or annotations is never taken away as a whole: the server and controllers write into it.
    const isShared = /\/(labels|annotations)$/.test(here)
    if (isTheirs && !isShared && (isLeaf || Object.hasOwn(inner, '.')))
      return [{ pointer: here, fields: { [key]: inner } }]
    const within = isLeaf ? [] : walk(inner, sides, here)
    return within.map((one) => ({ pointer: one.pointer, fields: { [key]: one.fields } }))
  })
}

/** The name or number under which a value has what a key of a field set stands for. */
function placeOf(value: unknown, key: string): string | undefined {
  const name = key.slice(2)
  if (key.startsWith('f:')) return isMap(value) && Object.hasOwn(value, name) ? name : undefined
  if (!Array.isArray(value)) return undefined
  const at = key.startsWith('i:') ? Number(name) : value.findIndex((item) => isItem(item, key))
  return at >= 0 && at < value.length ? String(at) : undefined
}

function isItem(item: unknown, key: string): boolean {
  const meant = JSON.parse(key.slice(2))
  if (key.startsWith('v:')) return JSON.stringify(item) === JSON.stringify(meant)
  // What a manifest leaves out of a key the server fills in.
  return isMap(item) && Object.entries(meant).every(([name, value]) => (item[name] ?? value) === value)
}

function entryOf(value: unknown, key: string): unknown {
  const at = placeOf(value, key)
  return at === undefined ? undefined : (value as Json)[at]
}

/** By the document's order, so that in the reverse of it no place moves while others are removed. */
function byPlace(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')]
  const at = left.findIndex((part, index) => part !== right[index])
  const [one = '', other = ''] = at < 0 ? [] : [left[at], right[at]]
  return /^\d+$/.test(one) && /^\d+$/.test(other) ? Number(one) - Number(other) : one < other ? -1 : one > other ? 1 : 0
}
