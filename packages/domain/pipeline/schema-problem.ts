import { nearest } from './nearest.ts'
import type { Schema } from './published.ts'

type Path = (string | number)[]
/** What does not fit the schema, in plain words, and where. */
export interface Problem {
  path: Path
  detail: string
}

/**
 * The first thing that does not fit, in the file's order; in one map, keys that nobody knows come first, as they are the
 * likeliest slip. Undefined when all fits.
 */
export function findProblem(schema: Schema, value: unknown, path: Path = []): Problem | undefined {
  if (schema.anyOf) return unionProblem(schema, schema.anyOf, value, path)
  const problem = (detail: string): Problem => ({ path, detail })
  if (!isOfType(schema, value)) return problem(wrongType(schema, value))
  if (schema.const !== undefined) return value === schema.const ? undefined : problem(`must be ${expected(schema)}`)
  if (typeof value === 'string') return textProblem(schema, value, problem)
  if (typeof value === 'number') {
    const { minimum = -Infinity, maximum = Infinity } = schema
    return value >= minimum && value <= maximum ? undefined : problem(`must be ${expected(schema)}`)
  }
  if (Array.isArray(value)) return listProblem(schema, value, path)
  return typeof value === 'object' ? mapProblem(schema, value as Record<string, unknown>, path) : undefined
}

function textProblem(schema: Schema, text: string, problem: (detail: string) => Problem): Problem | undefined {
  if (text.length < (schema.minLength ?? 0)) return problem('must not be empty')
  if (text.length > (schema.maxLength ?? Infinity)) return problem(`must have at most ${schema.maxLength} characters`)
  if (fitsPattern(schema, text)) return undefined
  return problem(`must be ${expected(schema)}`)
}

const fitsPattern = ({ pattern }: Schema, text: string) => pattern === undefined || new RegExp(pattern, 'u').test(text)

function listProblem(schema: Schema, list: unknown[], path: Path): Problem | undefined {
  if (list.length < (schema.minItems ?? 0)) return { path, detail: 'must have at least one entry' }
  if (list.length > (schema.maxItems ?? Infinity))
    return { path, detail: `must have at most ${schema.maxItems} entries` }
  return firstOf(list.entries(), ([index, item]) => schema.items && findProblem(schema.items, item, [...path, index]))
}

function mapProblem(schema: Schema, map: Record<string, unknown>, path: Path): Problem | undefined {
  const [pattern, named] = Object.entries(schema.patternProperties ?? {})[0] ?? []
  const known = schema.properties ?? {}
  const schemaOf = (key: string) =>
    Object.hasOwn(known, key) ? known[key] : pattern && new RegExp(pattern, 'u').test(key) ? named : undefined
  const keys = Object.keys(map)
  const unknown = keys.find((key) => !schemaOf(key))
  if (unknown !== undefined)
    return pattern === undefined
      ? unknownKey(unknown, Object.keys(known), path)
      : { path: [...path, unknown], detail: wordsOfName(pattern) }
  const missing = schema.required?.find((key) => map[key] === undefined)
  if (missing !== undefined) return { path, detail: `needs ${missing}` }
  if (keys.length > (schema.maxProperties ?? Infinity))
    return { path, detail: `must have at most ${schema.maxProperties} entries` }
  return firstOf(keys, (key) => findProblem(schemaOf(key) as Schema, map[key], [...path, key]))
}

/** The branch that was meant is the one of the value's own type that knows its keys; without one, the union is explained. */
function unionProblem(schema: Schema, branches: Schema[], value: unknown, path: Path): Problem | undefined {
  if (branches.some((branch) => findProblem(branch, value, path) === undefined)) return undefined
  const near = branches.filter((branch) => branch.const === undefined && isOfType(branch, value))
  const keys = isMap(value) ? Object.keys(value) : []
  const known = near.flatMap((branch) => Object.keys(branch.properties ?? {}))
  const unknown = keys.find((key) => known.length > 0 && !known.includes(key))
  if (unknown !== undefined) return unknownKey(unknown, known, path)
  const meant = near.filter((branch) => keys.every((key) => branch.properties?.[key]))
  const inner = meant.length === 1 && meant[0] ? findProblem(meant[0], value, path) : undefined
  return inner ?? { path, detail: `must be ${expected(schema)}${hint(schema, value)}` }
}

const unknownKey = (key: string, known: string[], path: Path): Problem => {
  const near = nearest(key, known)
  const help = near ? `, did you mean ${near}?` : `; known are ${known.join(', ')}`
  return { path: [...path, key], detail: `unknown key${help}` }
}

function wrongType(schema: Schema, value: unknown): string {
  const words = expected(schema)
  if (value === null) return `is empty, and must be ${words}`
  const isQuotable =
    schema.type === 'string' && ['number', 'boolean'].includes(typeof value) && fitsPattern(schema, String(value))
  if (isQuotable && schema.pattern) return `must be text: write "${value}" in quotes`
  return `must be ${words}${isQuotable ? `: write "${value}" in quotes` : ''}`
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

function firstOf<T>(items: Iterable<T>, find: (item: T) => Problem | undefined): Problem | undefined {
  for (const item of items) {
    const problem = find(item)
    if (problem) return problem
  }
  return undefined
}

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)
