import { Composer, type CST, type Document, isScalar, LineCounter, Parser } from 'yaml'
import { copyPlain, inspect, type Place, type Problem, type ReadLimits } from './inspect.ts'
import { kubectlTags } from './kubectl.ts'

/** One document: its plain value, and the place of every path in it (`test`, `unit`, `run` joined by U+0000). */
export interface ReadDocument {
  value: unknown
  places: [string, Place][]
}
/** How plain words and numbers are understood: as the core schema of YAML 1.2 has it, or as kubectl does. */
export type Dialect = 'core' | 'kubectl'
export type ReadAnswer = { documents: ReadDocument[] } | { error: string; place?: Place }

/**
 * Reads YAML 1.2 from untrusted text, by the core schema (`yes` and `NO` stay strings, no merge keys,
 * https://yaml.org/spec/1.2.2/#103-core-schema) unless the dialect is another. No tags but the core ones, no repeated keys, few aliases, nothing that JSON could not say.
 * @returns the documents that are not empty, or the first error with its line
 */
export function readYaml(text: string, limits: ReadLimits, dialect: Dialect = 'core'): ReadAnswer {
  const lineCounter = new LineCounter()
  const placeAt = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset)
    return { line, column: col }
  }
  const tell = ({ problem, offset }: Problem) => ({
    error: problem,
    ...(offset === undefined ? {} : { place: placeAt(offset) }),
  })
  // uniqueKeys compares every key with every other: inspect() does it in linear time.
  const composer = new Composer({
    version: '1.2',
    ...(dialect === 'core' ? { schema: 'core', customTags: [] } : { schema: 'failsafe', customTags: kubectlTags }),
    resolveKnownTags: false,
    merge: false,
    uniqueKeys: false,
  })
  const documents: ReadDocument[] = []
  const take = (composed: Iterable<Document.Parsed>): Problem | undefined => {
    for (const document of composed) {
      const read = readDocument(document, limits, placeAt)
      if (read && 'problem' in read) return read
      if (read) documents.push(read)
    }
    return undefined
  }
  // One document after another, so that the memory for one is enough.
  for (const token of new Parser(lineCounter.addNewLine).parse(text)) {
    // Nesting is measured on the flat parser's tokens: composing them recurses, and would overflow the stack.
    const problem = problemOfToken(token, limits.maxDepth) ?? take(composer.next(token))
    if (problem) return tell(problem)
  }
  const problem = take(composer.end(false, text.length))
  if (problem) return tell(problem)
  return { documents }
}

function readDocument(
  document: Document.Parsed,
  limits: ReadLimits,
  placeAt: (offset: number) => Place,
): ReadDocument | Problem | undefined {
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem) return { problem: problem.message.split('\n')[0] ?? 'it is not YAML', offset: problem.pos[0] }
  // `---` with nothing after it, or only a comment.
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) return undefined
  const inspected = inspect(document.contents, limits.maxAliases, placeAt)
  if ('problem' in inspected) return inspected
  const value = expand(document, limits.maxAliases)
  if ('problem' in value) return { ...value, offset: inspected.firstAlias }
  const copied = copyPlain(value.js, limits)
  return 'problem' in copied ? { offset: inspected.firstAlias, ...copied } : { ...copied, places: inspected.places }
}

/** The library counts what aliases of aliases multiply to, and throws a ReferenceError beyond the limit; merging, a SyntaxError. */
function expand(document: Document.Parsed, maxAliasCount: number): { js: unknown } | Problem {
  try {
    return { js: document.toJS({ maxAliasCount }) }
  } catch (error) {
    if (error instanceof ReferenceError) return { problem: 'it has too many aliases' }
    if (error instanceof SyntaxError) return { problem: error.message }
    throw error
  }
}

/**
 * Where a token nests deeper than allowed, or else its first tag that is not written `!!like-this`: people mean `! command`, and a
 * bare `!` would be dropped without a word. Without recursion, since nesting is what is being measured.
 */
function problemOfToken(token: CST.Token, maxDepth: number): Problem | undefined {
  const waiting: [CST.Token | null | undefined, number][] = [[token, 0]]
  let tag: CST.SourceToken | undefined
  const look = (tokens: CST.SourceToken[] | undefined) => {
    const found = tokens?.find(({ type, source }) => type === 'tag' && !source.startsWith('!!'))
    if (found && (!tag || found.offset < tag.offset)) tag = found
  }
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [at, depth] = next
    if (!at) continue
    if (depth > maxDepth) return { problem: 'it is nested too deep', offset: at.offset }
    if (at.type === 'document') {
      look(at.start)
      waiting.push([at.value, depth + 1])
    } else if ('items' in at)
      for (const item of at.items) {
        look(item.start)
        look(item.sep)
        waiting.push([item.key, depth + 1], [item.value, depth + 1])
      }
  }
  return (
    tag && { problem: 'a value that begins with ! must be in quotes, as YAML takes that for a tag', offset: tag.offset }
  )
}
