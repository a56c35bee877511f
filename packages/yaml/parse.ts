import { Worker } from 'node:worker_threads'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { ReadDocument, ReadOptions } from './read.ts'

export interface ParseOptions {
  /** Makes the refusal from what is wrong: `line 3: …`. */
  refusal(detail: string): Outcome<never>
  /** Empty documents do not count. */
  documents: 'one' | 'many'
  maxBytes?: number
  deadlineMs?: number
}
export interface ParsedDocument {
  value: unknown
  /** The line of a path in the file, from 1. */
  lineOf(path: (string | number)[]): number | undefined
}
const limits: ReadOptions = { maxDepth: 50, maxAliases: 50 }

/** Parses untrusted YAML in a thread of its own, which is ended at the deadline. */
export async function parseYaml(
  text: Buffer | string,
  options: ParseOptions,
): Promise<Outcome<{ documents: ParsedDocument[] }>> {
  const maxBytes = options.maxBytes ?? 256 * 1024
  if (Buffer.byteLength(text) > maxBytes) return options.refusal(`it is larger than ${maxBytes / 1024} KB`)
  const answer = await inThread(text.toString().replace(/^\ufeff/, ''), options.deadlineMs ?? 1000)
  if ('error' in answer) return options.refusal(answer.error.replace(/\.$/, ''))
  if (options.documents === 'one' && answer.documents.length !== 1)
    return options.refusal(`it has ${answer.documents.length === 0 ? 'no content' : 'more than one document'}`)
  return done({
    documents: answer.documents.map(({ value, lines }) => {
      const known = new Map(lines)
      return { value, lineOf: (path) => known.get(path.join('\0')) }
    }),
  })
}

function inThread(text: string, deadlineMs: number): Promise<{ documents: ReadDocument[] } | { error: string }> {
  const worker = new Worker(new URL('./parse-worker.ts', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: 128 },
  })
  return new Promise<{ documents: ReadDocument[] } | { error: string }>((resolve) => {
    const timer = setTimeout(() => resolve({ error: `it could not be read within ${deadlineMs / 1000} s` }), deadlineMs)
    worker.once('message', (answer) => {
      clearTimeout(timer)
      resolve(answer)
    })
    worker.once('error', () => {
      clearTimeout(timer)
      resolve({ error: 'it is too large to be read' })
    })
    worker.postMessage({ text, options: limits })
  }).finally(() => worker.terminate())
}
