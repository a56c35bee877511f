import { nearest } from './nearest.ts'
import { longestDuration } from './parts.ts'
import type { Schema } from './published.ts'

type Path = (string | number)[]
/** What does not fit the schema, in plain words, and where. */
export interface Problem {
  path: Path
  detail: string
}

/** How a value that is no text is written in the file: `3.10` is another number than people mean. */
export type SourceOf = (path: Path) => string | undefined

/**
 * All that does not fit, in the file's order; in one map, keys that nobody knows come first, as they are the likeliest slip. Empty when
 * all fits.
 */
export function findProblems(schema: Schema, value: unknown, sourceOf: SourceOf = () => undefined): Problem[] {
  return problemsOf(schema, value, [], sourceOf)
}

function problemsOf(schema: Schema, value: unknown, path: Path, sourceOf: SourceOf): Problem[] {
  if (schema.anyOf) return unionProblems(schema, schema.anyOf, { value, path, sourceOf })
  const problem = (detail: string): Problem => ({ path, detail })
  if (!isOfType(schema, value)) return [problem(wrongType(schema, value, sourceOf(path)))]
  if (schema.const !== undefined) return value === schema.const ? [] : [problem(`must be ${expected(schema)}`)]
  if (typeof value === 'string') return textProblem(schema, value, problem) ?? []
  if (typeof value === 'number') {
    const { minimum = -Infinity, maximum = Infinity } = schema
    return value >= minimum && value <= maximum ? [] : [problem(`must be ${expected(schema)}`)]
  }
  if (Array.isArray(value)) return listProblems(schema, value, path, sourceOf)
  return typeof value === 'object' && value !== null
    ? mapProblems(schema, value as Record<string, unknown>, path, sourceOf)
    : []
}

function textProblem(schema: Schema, text: string, problem: (detail: string) => Problem): Problem[] | undefined {
  if (text.length < (schema.minLength ?? 0)) return [problem('must not be empty')]
  if (text.length > (schema.maxLength ?? Infinity)) return [problem(`must have at most ${schema.maxLength} characters`)]
  if (fitsPattern(schema, text)) return undefined
  if (/^A duration/.test(schema.description ?? '') && /^[1-9][0-9]*[smh]$/.test(text))
    return [problem(`may be at most ${longestDuration}`)]
  return [problem(`must be ${expected(schema)}`)]
}

const fitsPattern = ({ pattern }: Schema, text: string) => pattern === undefined || new RegExp(pattern, 'u').test(text)

function listProblems(schema: Schema, list: unknown[], path: Path, sourceOf: SourceOf): Problem[] {
  if (list.length < (schema.minItems ?? 0)) return [{ path, detail: 'must have at least one entry' }]
  if (list.length > (schema.maxItems ?? Infinity))
    return [{ path, detail: `must have at most ${schema.maxItems} entries` }]
  const { items } = schema
  return items ? list.flatMap((item, index) => problemsOf(items, item, [...path, index], sourceOf)) : []
}

function mapProblems(schema: Schema, map: Record<string, unknown>, path: Path, sourceOf: SourceOf): Problem[] {
  const [pattern, named] = Object.entries(schema.patternProperties ?? {})[0] ?? []
  const known = schema.properties ?? {}
  const schemaOf = (key: string) =>
    Object.hasOwn(known, key) ? known[key] : pattern && new RegExp(pattern, 'u').test(key) ? named : undefined
  const keys = Object.keys(map)
  const unknown = keys
    .filter((key) => !schemaOf(key))
    .map((key) =>
      pattern === undefined
        ? unknownKey(key, Object.keys(known), path)
        : { path: [...path, key], detail: wordsOfName(pattern) },
    )
  const missing = (schema.required ?? []).filter((key) => map[key] === undefined)
  const tooMany = keys.length > (schema.maxProperties ?? Infinity)
  return [
    ...unknown,
    ...missing.map((key) => ({ path, detail: `needs ${key}` })),
    ...(tooMany ? [{ path, detail: `must have at most ${schema.maxProperties} entries` }] : []),
    ...keys.flatMap((key) => {
      const inner = schemaOf(key)
      return inner ? problemsOf(inner, map[key], [...path, key], sourceOf) : []
    }),
  ]
}

/** The branch that was meant is the one of the value's own type that knows its keys; without one, the union is explained. */
function unionProblems(
  schema: Schema,
  branches: Schema[],
  { value, path, sourceOf }: { value: unknown; path: Path; sourceOf: SourceOf },
): Problem[] {
  if (branches.some((branch) => problemsOf(branch, value, path, sourceOf).length === 0)) return []
  const near = branches.filter((branch) => branch.const === undefined && isOfType(branch, value))
  const keys = isMap(value) ? Object.keys(value) : []
  const known = near.flatMap((branch) => Object.keys(branch.properties ?? {}))
  const unknown = keys.filter((key) => known.length > 0 && !known.includes(key))
  if (unknown.length > 0) return unknown.map((key) => unknownKey(key, known, path))
  const meant = near.filter((branch) => keys.every((key) => branch.properties?.[key]))
  const inner = meant.length === 1 && meant[0] ? problemsOf(meant[0], value, path, sourceOf) : []
  return inner.length > 0 ? inner : [{ path, detail: `must be ${expected(schema)}${hint(schema, value)}` }]
}

const unknownKey = (key: string, known: string[], path: Path): Problem => {
  const near = nearest(key, known)
  const help = near ? `, did you mean ${near}?` : `; known are ${known.join(', ')}`
  return { path: [...path, key], detail: `unknown key${help}` }
}

function wrongType(schema: Schema, value: unknown, written: string | undefined): string {
  const words = expected(schema)
  if (value === null) return `is empty, and must be ${words}`
  if (schema.type === 'string' && isMap(value))
    return `must be ${words}; it has ": ", so YAML takes it for a map: put it in quotes`
  const isPlain = typeof value === 'number' || typeof value === 'boolean'
  const source = written ?? (isPlain ? String(value) : '')
  const isQuotable = schema.type === 'string' && isPlain && fitsPattern(schema, source)
  return isQuotable ? `must be text: write "${source}" in quotes` : `must be ${words}`
}

/** What a value must be, in plain words: `a whole number from 0 to 5`. */
function expected(schema: Schema): string {
  const { type, anyOf, pattern, minimum, maximum, description } = schema
  if (anyOf?.every((branch) => branch.const !== undefined))
    return `one of ${anyOf.map((branch) => branch.const).join(', ')}`
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (anyOf || pattern) return lowerFirst(description?.split(/\.(?:\s|$)/)[0] ?? 'something else')
  switch (type) {
    case 'integer':
      return `a whole number${minimum === undefined ? '' : ` from ${minimum} to ${maximum}`}`
    case 'boolean':
      return 'true or false'
    case 'array':
      return schema.items?.type === 'string' || schema.items?.anyOf ? 'a list, like [a, b]' : 'a list'
    case 'object':
      return `a map of ${schema.properties ? Object.keys(schema.properties).join(', ') : 'names and values'}`
    default:
      return type === 'string' ? 'text' : 'a number'
  }
}

const hint = ({ anyOf }: Schema, value: unknown): string => {
  const words = anyOf?.flatMap((branch) => (typeof branch.const === 'string' ? [branch.const] : [])) ?? []
  const near = typeof value === 'string' ? nearest(value, words) : undefined
  return near ? `; did you mean ${near}?` : ''
}

/** What a key that people choose may be, told by what its pattern takes. */
function wordsOfName(pattern: string): string {
  const takes = (key: string) => new RegExp(pattern, 'u').test(key)
  if (takes('A_B')) return 'a variable has letters, digits and underscores, and begins with no digit'
  if (takes('a.b/c'))
    return 'a label has lower-case letters, digits, dots, slashes, dashes and underscores, and does not begin with taxiway.'
  return 'a name has lower-case letters, digits and dashes, and at most 40 of them'
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function isOfType({ type }: Schema, value: unknown): boolean {
  switch (type) {
    case 'object':
      return isMap(value)
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    default:
      return type === undefined || typeof value === type
  }
}

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)
