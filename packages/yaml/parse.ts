import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Place, ReadLimits } from './inspect.ts'
import type { Dialect } from './read.ts'
import { readInThread } from './thread.ts'

export interface ParseOptions {
  /** Makes the refusal from what is wrong: `line 3: …`; and again the two apart, where the place is known. */
  refusal(detail: string, problem: { detail: string; place?: Place }): Outcome<never>
  /** Empty documents do not count. */
  documents: 'one' | 'many'
  maxBytes?: number
  /** Most processor time that it may take: 1 s unless told. */
  cpuMs?: number
  /** How long the machine may take to get round to it: 30 s unless told. */
  patienceMs?: number
  /** Levels of maps and lists in each other. */
  maxDepth?: number
  /** `kubectl` for manifests; YAML 1.2 unless told. */
  dialect?: Dialect
}
export interface ParsedDocument {
  /** What JSON could say too: a tree of plain objects, arrays, strings, finite numbers, booleans and null. */
  value: unknown
  /** The place of a path in the file; of what is nearest above it, if the path is not there. */
  placeOf(path: (string | number)[]): Place | undefined
}
const limits: ReadLimits = { maxDepth: 50, maxAliases: 50, maxValues: 200_000 }
/** Manifests merge and repeat more than a pipeline file does. */
const mostAliases: Record<Dialect, number> = { core: limits.maxAliases, kubectl: 500 }

/** How long a run waits for the machine to get round to its YAML: longer after a machine was too busy. */
export const patienceOf = ({ retries }: { retries: number }): number => 30_000 * (1 + retries)

/**
 * Parses untrusted YAML in a thread of its own, which is ended when it takes too much processor time or memory. Neither text nor
 * value can do anything to the caller but be refused. Where the thread gets no processor, that is refused as `machine_busy`.
 */
export async function parseYaml(
  text: Buffer | string,
  options: ParseOptions,
): Promise<Outcome<{ documents: ParsedDocument[] }>> {
  const maxBytes = options.maxBytes ?? 256 * 1024
  const refusal = (detail: string, place?: Place) =>
    options.refusal(place ? `line ${place.line}: ${detail}` : detail, { detail, ...(place ? { place } : {}) })
  if (Buffer.byteLength(text) > maxBytes) return refusal(`it is larger than ${maxBytes / 1024} KB`)
  const decoded = decode(text)
  if (decoded === undefined) return refusal('it is not UTF-8 text')
  const time = { cpuMs: options.cpuMs ?? 1000, patienceMs: options.patienceMs ?? patienceOf({ retries: 0 }) }
  const { dialect = 'core', maxDepth = limits.maxDepth } = options
  const question = { text: decoded, limits: { ...limits, maxDepth, maxAliases: mostAliases[dialect] }, dialect }
  const answer = await readInThread(question, time)
  if (answer === 'busy') return refuse('machine_busy', { what: 'read a YAML file', seconds: time.patienceMs / 1000 })
  if ('error' in answer) return refusal(answer.error.replace(/\.$/, ''), answer.place)
  if (options.documents === 'one' && answer.documents.length !== 1)
    return refusal(`it has ${answer.documents.length === 0 ? 'no content' : 'more than one document'}`)
  return done({
    documents: answer.documents.map(({ value, places }) => ({ value, placeOf: makePlaceOf(new Map(places)) })),
  })
}

/** Text without its byte order mark; undefined if the bytes are not UTF-8. */
function decode(text: Buffer | string): string | undefined {
  if (typeof text === 'string') return text.replace(/^\ufeff/, '')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(text)
  } catch {
    return undefined
  }
}

const makePlaceOf =
  (known: ReadonlyMap<string, Place>): ParsedDocument['placeOf'] =>
  (path) => {
    for (let length = path.length; length > 0; length--) {
      const place = known.get(path.slice(0, length).join('\0'))
      if (place !== undefined) return place
    }
    return undefined
  }
