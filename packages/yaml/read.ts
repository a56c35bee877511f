import { isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'

export interface ReadOptions {
  maxDepth: number
  maxAliases: number
}
/** One document: its plain value, and the line of every path in it (`test.unit.run` joined by U+0000). */
export interface ReadDocument {
  value: unknown
  lines: [string, number][]
}
/** Paths beyond this many have no line. */
const mostLines = 20_000

/**
 * Reads YAML 1.2 (core schema: `yes` and `NO` stay strings) from untrusted text. No custom tags, no merge keys, no repeated
 * keys, few aliases. @returns the documents that are not empty, or the first error with its line
 */
export function readYaml(text: string, options: ReadOptions): { documents: ReadDocument[] } | { error: string } {
  const lineCounter = new LineCounter()
  const lineAt = (offset: number | undefined) =>
    offset === undefined ? '' : `line ${lineCounter.linePos(offset).line}: `
  const parsed = parseAllDocuments(text, {
    version: '1.2',
    schema: 'core',
    customTags: [],
    merge: false,
    uniqueKeys: true,
    lineCounter,
    prettyErrors: false,
  })
  const documents: ReadDocument[] = []
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const problem = document.errors[0] ?? document.warnings[0]
    if (problem) return { error: `${lineAt(problem.pos[0])}${problem.message.split('\n')[0]}` }
    if (document.contents === null) continue
    const lines: [string, number][] = []
    const refused = walk(document.contents, [], options.maxDepth, (path, offset) => {
      if (lines.length < mostLines) lines.push([path.join('\0'), lineCounter.linePos(offset).line])
    })
    if (refused) return { error: `${lineAt(refused.offset)}${refused.problem}` }
    try {
      documents.push({ value: document.toJS({ maxAliasCount: options.maxAliases }), lines })
    } catch {
      return { error: 'it has too many aliases' }
    }
  }
  return { documents }
}

/** Visits every path; finds nesting that is too deep and keys that reach into prototypes. */
function walk(
  node: unknown,
  path: (string | number)[],
  depth: number,
  visit: (path: (string | number)[], offset: number) => void,
): { problem: string; offset: number | undefined } | undefined {
  const offset = (node as Node | null)?.range?.[0]
  if (depth === 0) return { problem: 'it is nested too deep', offset }
  if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) {
      const inner = [...path, index]
      const at = (item as Node | null)?.range?.[0]
      if (at !== undefined) visit(inner, at)
      const refused = walk(item, inner, depth - 1, visit)
      if (refused) return refused
    }
  } else if (isMap(node)) {
    for (const { key, value } of node.items) {
      const at = (key as Node | null)?.range?.[0]
      if (!isScalar(key)) return { problem: 'a key must be plain text', offset: at }
      const name = String(key.value)
      if (name === '__proto__' || name === 'constructor' || name === 'prototype')
        return { problem: `the key ${name} is not allowed`, offset: at }
      if (name === '<<') return { problem: 'merge keys are not supported', offset: at }
      const inner = [...path, name]
      if (at !== undefined) visit(inner, at)
      const refused = walk(value, inner, depth - 1, visit)
      if (refused) return refused
    }
  }
  return undefined
}
