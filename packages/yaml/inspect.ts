import { type Alias, isAlias, isMap, isNode, isScalar, isSeq, type Node } from 'yaml'
import { mergeKey } from './kubectl.ts'

/** Paths beyond these have no place: a path repeats the keys above it, so long keys could multiply. */
const mostLines = 20_000
const mostLineCharacters = 2 ** 20

const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype'])

/** Where something stands, from 1; of what is no text, as it is written there. */
export interface Place {
  line: number
  column: number
  source?: string
}
interface Inspected {
  places: [string, Place][]
  firstAlias: number | undefined
}

/** Goes through a composed document: notes the place of every path; finds keys and aliases that are not allowed. */
export function inspect(
  contents: unknown,
  maxAliases: number,
  placeAt: (offset: number) => Place,
): Inspected | Problem {
  const places: [string, Place][] = []
  const aliases: (number | undefined)[] = []
  // An anchor counts once what it names is complete, so nothing can hold itself.
  const anchors = new Set<string>()
  let characters = 0
  const problem = walk(contents, '')
  if (problem) return problem
  if (aliases.length > maxAliases)
    return { problem: `it has ${aliases.length} aliases, more than ${maxAliases}`, offset: aliases[maxAliases] }
  return { places, firstAlias: aliases[0] }

  function note(path: string, offset: number | undefined, value: unknown): void {
    characters += path.length
    if (offset === undefined || places.length >= mostLines || characters > mostLineCharacters) return
    const source = isScalar(value) && typeof value.value !== 'string' ? value.source?.slice(0, 100) : undefined
    places.push([path, { ...placeAt(offset), ...(source ? { source } : {}) }])
  }
  function walk(node: unknown, path: string): Problem | undefined {
    const problem = isAlias(node) ? follow(node) : walkBelow(node, path)
    if (isNode(node) && 'anchor' in node && node.anchor) anchors.add(node.anchor)
    return problem
  }
  function follow(alias: Alias): Problem | undefined {
    aliases.push(startOf(alias))
    const { source } = alias
    return anchors.has(source)
      ? undefined
      : { problem: `*${source.slice(0, 80)} has no anchor before it`, offset: startOf(alias) }
  }
  function walkBelow(node: unknown, path: string): Problem | undefined {
    if (isSeq(node))
      for (const [index, item] of node.items.entries()) {
        const inner = join(path, String(index))
        note(inner, startOf(item), item)
        const problem = walk(item, inner)
        if (problem) return problem
      }
    else if (isMap(node)) {
      const seen = new Set<string>()
      for (const { key, value } of node.items) {
        const offset = startOf(key)
        const problem = problemOfKey(key, seen)
        if (problem) return { problem, offset: offset ?? startOf(node) }
        const name = nameOf(key)
        seen.add(name)
        const inner = join(path, name)
        note(inner, offset, value)
        const below = walk(key, inner) ?? walk(value, inner)
        if (below) return below
      }
    }
    return undefined
  }
}

function problemOfKey(key: unknown, seen: ReadonlySet<string>): string | undefined {
  if (!isScalar(key)) return 'a key must be plain text'
  const name = nameOf(key)
  if (forbiddenKeys.has(name)) return `the key ${name} is not allowed`
  if (name === '<<' && key.value !== mergeKey && key.type === 'PLAIN') return 'merge keys are not supported'
  return seen.has(name) ? `the key ${name.slice(0, 80)} is there twice` : undefined
}

/** What the key is called in the plain value: `1` and `"1"`, or `~` and an empty key, are the same there. */
const nameOf = (key: unknown): string => {
  const value = isScalar(key) ? key.value : undefined
  if (value === mergeKey) return '<<'
  return value === null || value === undefined ? '' : String(value)
}
const startOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0]
const join = (path: string, name: string): string => (path === '' ? name : `${path}\0${name}`)

/**
 * A copy that is a tree: an alias leaves the same object in two places, or, within itself, a circle, and whoever goes through
 * the value later would go round with it.
 */
export function copyPlain(value: unknown, limits: ReadLimits): { value: unknown } | Problem {
  let left = limits.maxValues
  const problems: string[] = []
  const copy = (from: unknown, depth: number): unknown => {
    left -= 1
    if (left < 0) problems.push('it is too large once its aliases are filled in')
    else if (depth > limits.maxDepth) problems.push('an alias makes it nest too deep')
    else if (typeof from === 'number' && !Number.isFinite(from)) problems.push(`${from} is not a number JSON has`)
    if (problems.length > 0 || typeof from !== 'object' || from === null) return from
    if (Array.isArray(from)) return from.map((item) => (problems.length > 0 ? null : copy(item, depth + 1)))
    const to: Record<string, unknown> = {}
    for (const [key, inner] of Object.entries(from)) {
      if (problems.length > 0) break
      to[key] = copy(inner, depth + 1)
    }
    return to
  }
  const copied = copy(value, 1)
  return problems[0] === undefined ? { value: copied } : { problem: problems[0] }
}

export interface ReadLimits {
  maxDepth: number
  maxAliases: number
  /** Values in a document, counted after its aliases are filled in. */
  maxValues: number
}

/** What is wrong, and where: an offset in characters. */
export interface Problem {
  problem: string
  offset?: number | undefined
}
