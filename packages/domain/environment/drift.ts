import Type from 'typebox'
import { oneLine } from '../reason.ts'
import { isSecretLike } from '../secrets/arguments.ts'
import { hideSecrets } from '../secrets/mask.ts'

/** What becomes of changes by hand: they are shown, undone as well, or not looked for. */
export const driftModes = ['report', 'correct', 'ignore'] as const
export type DriftMode = (typeof driftModes)[number]

const FieldDrift = Type.Object({
  path: Type.String(),
  wanted: Type.Optional(Type.String({ description: 'As the release has it; missing: it has none.' })),
  live: Type.Optional(Type.String({ description: 'As it is there; missing: there is none.' })),
})
export type FieldDrift = Type.Static<typeof FieldDrift>

const ObjectDrift = Type.Object({
  object: Type.String({ description: 'Kind/name' }),
  change: Type.Unsafe<'changed' | 'deleted'>(Type.Enum(['changed', 'deleted'])),
  by: Type.Optional(Type.String({ description: 'By what the fields are managed now, as far as the cluster knows.' })),
  detail: Type.Optional(Type.String()),
  fields: Type.Array(FieldDrift),
  fieldsLeftOut: Type.Optional(Type.Integer()),
})
/** How an object differs from what the live release gave it. */
export type ObjectDrift = Type.Static<typeof ObjectDrift>

const Correction = Type.Object({
  times: Type.Integer({ description: 'How often it was put back without a longer rest between.' }),
  lastAt: Type.String({ format: 'date-time' }),
  nextAt: Type.String({ format: 'date-time', description: 'It is not put back again before.' }),
  reason: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
})
/** What was done about it. */
export type Correction = Type.Static<typeof Correction>

export const DriftState = Type.Object(
  {
    mode: Type.Unsafe<DriftMode>(Type.Enum([...driftModes])),
    since: Type.Optional(Type.String({ format: 'date-time', description: 'Since when something differs.' })),
    objects: Type.Array(ObjectDrift),
    objectsLeftOut: Type.Optional(Type.Integer()),
    unchecked: Type.Optional(Type.Integer({ description: 'How many objects are yet to be compared.' })),
    notedAt: Type.Optional(Type.String()),
    correction: Type.Optional(Correction),
  },
  { description: 'What differs from the live release. Missing: it is not looked for, or could not be yet.' },
)
export type DriftState = Type.Static<typeof DriftState>

const mostObjects = 20
const mostFields = 20
const longestValue = 200
/** Longer values are not shown: only that they differ. */
const longestRead = 16_384

/** What may be shown of it: bounded, and without what looks like a secret. */
export function showDrift(
  secrets: readonly string[],
  found: readonly ObjectDrift[],
): Pick<DriftState, 'objects' | 'objectsLeftOut'> {
  const objects = found.slice(0, mostObjects).map((one): ObjectDrift => {
    const fields = one.fields
      .slice(0, mostFields)
      .map((field) => showField(secrets, field, one.object.startsWith('Secret/')))
    const leftOut = one.fields.length - fields.length
    return {
      ...one,
      ...(one.detail === undefined ? {} : { detail: oneLine(hideSecrets(secrets, one.detail), 300) }),
      fields,
      ...(leftOut > 0 ? { fieldsLeftOut: leftOut } : {}),
    }
  })
  const leftOut = found.length - objects.length
  return { objects, ...(leftOut > 0 ? { objectsLeftOut: leftOut } : {}) }
}

function showField(secrets: readonly string[], { path, wanted, live }: FieldDrift, isOfSecret: boolean): FieldDrift {
  const isHidden = isSecretLike(path) || (isOfSecret && /^(data|stringData)\b/.test(path))
  const read = (value: string | undefined) => {
    if (value === undefined) return undefined
    if (isHidden) return '***'
    if (value.length > longestRead) return `(${value.length} characters)`
    // An address that carries its password, as databases have it.
    return hideSecrets(secrets, value).replace(/(:\/\/[^/\s:@]{0,200}:)[^@\s]{1,1000}@/g, '$1***@')
  }
  const [from, to] = around(read(wanted), read(live))
  return {
    path: oneLine(path, longestValue),
    ...(from === undefined ? {} : { wanted: from }),
    ...(to === undefined ? {} : { live: to }),
  }
}

/** Cuts both values to where they begin to differ. */
function around(wanted: string | undefined, live: string | undefined): (string | undefined)[] {
  const [a = '', b = ''] = [wanted, live]
  let same = 0
  while (same < a.length && same < b.length && a[same] === b[same]) same++
  const from = Math.max(a.length, b.length) > longestValue && same > longestValue / 4 ? same - longestValue / 4 : 0
  return [wanted, live].map((value) =>
    value === undefined ? undefined : oneLine(`${from > 0 ? '…' : ''}${value.slice(from)}`, longestValue),
  )
}

const firstDelayMs = 15_000
const longestDelayMs = 3600_000
/** Whoever changed it again after so long did not fight the correction. */
const calmMs = 15 * 60_000

/** When it is corrected for the next time, if it is to be now. Undefined: not yet. */
export function nextCorrection(last: Correction | undefined, nowMs: number): Omit<Correction, 'reason'> | undefined {
  if (last && nowMs < Date.parse(last.nextAt)) return undefined
  const isFought = last !== undefined && nowMs - Date.parse(last.nextAt) < calmMs
  const times = isFought ? last.times + 1 : 1
  const delayMs = Math.min(firstDelayMs * 2 ** (times - 1), longestDelayMs)
  return { times, lastAt: new Date(nowMs).toISOString(), nextAt: new Date(nowMs + delayMs).toISOString() }
}
