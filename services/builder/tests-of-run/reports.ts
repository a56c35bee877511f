import { TextDecoder } from 'node:util'
import { copyMatching, isGlob } from '@taxiway/docker/container/find-out.ts'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { globMatcher } from '@taxiway/domain/glob.ts'
import { makeReport, type Report } from './junit.ts'

export interface ReportOrder {
  /** A container that has ended. */
  id: string
  path: string
  mostFailures: number
  signal: AbortSignal
  /** Says what could not be read. */
  note(text: string): void
}
const maxBytes = 20 * 2 ** 20
const maxFiles = 200
const readMs = 60_000

/** Reads the JUnit report, or the folder of them, that a test has written. One that can't be read is noted, and counts for nothing. */
export async function readReports(engine: Engine, order: ReportOrder): Promise<Report | undefined> {
  const { id, path, signal, note } = order
  const all = makeReport(order.mostFailures)
  let files = 0
  let bytes = 0
  let isBroken = false
  const matches = isGlob(path) ? globMatcher([path]) : () => true
  const look = { id, glob: path, matches, signal, deadlineMs: readMs }
  const copied = await copyMatching(engine, look, async (_, entry) => {
    const isNamed = isGlob(path) || entry.path === '' || entry.path.endsWith('.xml')
    if (entry.kind !== 'file' || !isNamed) return 'on'
    bytes += entry.size
    if (bytes > maxBytes || files >= maxFiles) {
      note(`there is more than ${maxBytes / 2 ** 20} MB in ${maxFiles} files, and the rest is not read`)
      return 'enough'
    }
    files += 1
    const problem = await readOne(all.file(), entry.content)
    isBroken ||= problem !== undefined
    if (problem) note(`${entry.path || path} is no JUnit XML: ${problem}`)
    return 'on'
  })
  if (!copied.ok) note(copied.reason.message)
  else if (!copied.value) note(`there is no ${path}`)
  else if (files === 0) note(`${path} holds no report`)
  const report = all.report()
  if (files > 0 && report.counts.total === 0 && !isBroken) note(`${path} tells of no test`)
  return report.counts.total > 0 ? report : undefined
}

/** Reads to the end, also when it has long been seen to be none. */
async function readOne(
  file: ReturnType<ReturnType<typeof makeReport>['file']>,
  content: AsyncIterable<Buffer>,
): Promise<string | undefined> {
  let head = Buffer.alloc(0)
  let decoder: TextDecoder | undefined
  let problem: string | undefined
  const attempt = (work: () => void) => {
    try {
      if (problem === undefined) work()
    } catch (error) {
      problem = (error as Error).message
    }
  }
  const write = (bytes: Buffer) => {
    decoder ??= decoderOf(bytes)
    const text = decoder.decode(bytes, { stream: true })
    attempt(() => file.write(text))
  }
  for await (const chunk of content) {
    if (decoder) write(chunk)
    else {
      head = Buffer.concat([head, chunk])
      if (head.length >= headBytes) write(head)
    }
  }
  if (!decoder) write(head)
  attempt(() => file.end())
  return problem
}

/** Where the encoding of a file is told. */
const headBytes = 200

/** How the text of an XML file is encoded: by its byte order mark, the bytes of its first character, or what it says itself (XML 1.0, appendix F). */
export function decoderOf(head: Buffer): TextDecoder {
  const start = head.subarray(0, 2).toString('hex')
  if (start === 'feff' || start === '003c') return new TextDecoder('utf-16be')
  if (start === 'fffe' || start === '3c00') return new TextDecoder('utf-16le')
  const named = /^<\?xml[^>]*?encoding=["']([\w.:-]{1,40})["']/.exec(
    head.subarray(0, headBytes).toString('latin1'),
  )?.[1]
  // Whoever says UTF-16 in single bytes does not mean it.
  if (named === undefined || /^(utf-?16|ucs-?2)/i.test(named)) return new TextDecoder()
  try {
    return new TextDecoder(named)
  } catch {
    return new TextDecoder()
  }
}
