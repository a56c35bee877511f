import Type from 'typebox'
import { isSecretLike } from '../secrets/arguments.ts'

/** One field of an object, as text; one side is missing when the field is. */
export const FieldChange = Type.Object({
  path: Type.String({ description: 'Like spec.template.spec.containers[web].env[LEVEL].' }),
  before: Type.Optional(Type.String()),
  after: Type.Optional(Type.String()),
})
export type FieldChange = Type.Static<typeof FieldChange>

export const changeKinds = ['added', 'removed', 'changed'] as const
/** What a release does to one object. */
export const ObjectChange = Type.Object({
  object: Type.String({ description: 'Kind/name' }),
  change: Type.Enum([...changeKinds]),
  fields: Type.Array(FieldChange),
  more: Type.Optional(Type.Integer({ description: 'So many more fields are not shown.' })),
})
export type ObjectChange = Type.Static<typeof ObjectChange>

/** What a release changes against what was live in its environment when it was made. */
export const ReleaseDiff = Type.Object(
  {
    environment: Type.String(),
    generation: Type.Integer(),
    against: Type.Optional(
      Type.Object(
        { generation: Type.Integer(), sha: Type.String() },
        { description: 'What was live; nothing without it.' },
      ),
    ),
    found: Type.Optional(
      Type.Integer({ description: 'So many of the objects stand there already and were made by others.' }),
    ),
    objects: Type.Array(ObjectChange),
    unchanged: Type.Integer({ description: 'How many objects stay as they are.' }),
    more: Type.Optional(Type.Integer({ description: 'So many more changed objects are not shown.' })),
  },
  { $id: 'ReleaseDiff' },
)
export type ReleaseDiff = Type.Static<typeof ReleaseDiff>

interface DiffedObject {
  kind: string
  metadata: { name: string }
}
/** The objects of a release, and the Secrets that it makes. */
export interface Diffed {
  objects: readonly DiffedObject[]
  secrets?: readonly { name: string }[]
}
const mostObjects = 100
const mostFields = 50
/** Of all objects together. */
const mostInAll = 500
const longestText = 200
/** These differ in every release and say nothing. */
const ofEvery = /(^|\.)annotations\["taxiway\.dev\/(run|sha|generation)"\]$/

/** What `after` changes against `before`, object by object and field by field. Secret values and names of Secrets made for a release are hidden. */
export function diffObjects(
  before: Diffed | undefined,
  after: Diffed,
): Pick<ReleaseDiff, 'objects' | 'unchanged' | 'more'> {
  const hidden = new Set([...(before?.secrets ?? []), ...(after.secrets ?? [])].map(({ name }) => name))
  const old = new Map((before?.objects ?? []).map((object) => [nameOf(object), fieldsOf(object, hidden)]))
  const changes: ObjectChange[] = []
  let unchanged = 0
  let left = mostInAll
  const add = (name: string, change: ObjectChange['change'], fields: FieldChange[]) => {
    changes.push(shown(name, change, fields, Math.min(left, mostFields)))
    left = Math.max(0, left - fields.length)
  }
  for (const object of after.objects) {
    const known = old.get(nameOf(object))
    old.delete(nameOf(object))
    const fields = known ? changedFields(known, fieldsOf(object, hidden)) : []
    if (known && fields.length === 0) unchanged++
    else add(nameOf(object), known ? 'changed' : 'added', fields)
  }
  for (const name of old.keys()) add(name, 'removed', [])
  const more = changes.length - mostObjects
  return { objects: changes.slice(0, mostObjects), unchanged, ...(more > 0 ? { more } : {}) }
}

const nameOf = ({ kind, metadata }: DiffedObject): string => `${kind}/${metadata.name}`

function shown(object: string, change: ObjectChange['change'], fields: FieldChange[], most: number): ObjectChange {
  const more = fields.length - most
  return { object, change, fields: fields.slice(0, most), ...(more > 0 ? { more } : {}) }
}

/** Path -> text of every field that is no map and no list. */
function fieldsOf(object: DiffedObject, hidden: ReadonlySet<string>): Map<string, string> {
  const fields = new Map<string, string>()
  const isHidden = (path: string) => object.kind === 'Secret' && /^(data|stringData)\b/.test(path)
  const take = (value: unknown, path: string, key: string): void => {
    if (Array.isArray(value)) {
      const names = value.map(keyOfItem)
      const isKeyed = names.every((name) => name !== undefined) && new Set(names).size === names.length
      for (const [index, item] of value.entries()) {
        const name = isKeyed ? String(names[index]) : String(index)
        take(isKeyed ? withoutName(item) : item, `${path}[${name}]`, name)
      }
    } else if (typeof value === 'object' && value !== null)
      for (const [name, inner] of Object.entries(value))
        take(
          inner,
          /^[\w-]+$/.test(name) ? `${path ? `${path}.` : ''}${name}` : `${path}["${name}"]`,
          name === 'value' ? key : name,
        )
    else if (!ofEvery.test(path))
      fields.set(path, isHidden(path) || isSecretLike(key) || hidden.has(String(value)) ? '***' : String(value))
  }
  take(object, '', '')
  return fields
}

/** Its name stands in the path. */
const withoutName = (item: unknown): unknown => {
  const { name: _, ...rest } = item as Record<string, unknown>
  return Object.keys(rest).length > 0 ? rest : item
}

/** What tells one item of a list from the others, whatever its place. */
function keyOfItem(item: unknown): string | undefined {
  if (typeof item !== 'object' || item === null) return undefined
  const { name, containerPort, port, mountPath, topologyKey, host } = item as Record<string, unknown>
  const key = name ?? containerPort ?? port ?? mountPath ?? topologyKey ?? host
  return typeof key === 'string' || typeof key === 'number' ? String(key) : undefined
}

function changedFields(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): FieldChange[] {
  const changes: FieldChange[] = []
  const cut = (text: string) => (text.length > longestText ? `${text.slice(0, longestText)}…` : text)
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [one, other] = [before.get(path), after.get(path)]
    if (one === other) continue
    changes.push({
      path,
      ...(one === undefined ? {} : { before: cut(one) }),
      ...(other === undefined ? {} : { after: cut(other) }),
    })
  }
  return changes
}

const mostLines = 12
const mostShown = 4

/** The diff in a few lines: `Deployment/web: image web@1f2e3d4c5b6a, replicas 2 → 3`. */
export function diffLines({ objects, unchanged, more = 0, against, found }: ReleaseDiff): string[] {
  if (!against && !found)
    return [`the first release here: ${objects.map(({ object }) => object).join(', ')}`.slice(0, 500)]
  const lines = objects.slice(0, mostLines).map(objectLine)
  const rest = objects.length - mostLines + more
  if (rest > 0) lines.push(`and ${rest} more objects`)
  if (lines.length === 0) return [`nothing changes: ${unchanged} objects stay as they are`]
  return unchanged > 0 ? [...lines, `${unchanged} stay as they are`] : lines
}

function objectLine({ object, change, fields, more = 0 }: ObjectChange): string {
  if (change !== 'changed') return `${object}: ${change}`
  const words = fields.slice(0, mostShown).map(fieldWords)
  const rest = fields.length - mostShown + more
  return `${object}: ${words.join(', ')}${rest > 0 ? `, and ${rest} more` : ''}`
}

function fieldWords({ path, before, after }: FieldChange): string {
  const name = path.replace(/^spec\.(template\.(spec\.)?)?/, '').replace(/^containers\[[^\]]*\]\.(?=.)/, '')
  const short = (text: string) => text.replace(/^.*?([^/]*)@sha256:([0-9a-f]{12})[0-9a-f]*$/, '$1@$2').slice(0, 60)
  if (after === undefined) return `${name} removed`
  if (before === undefined) return `${name} ${short(after)}`
  return name === 'image' ? `image ${short(after)}` : `${name} ${short(before)} → ${short(after)}`
}
