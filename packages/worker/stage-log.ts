import { inert } from '@taxiway/domain/inert.ts'
import { makeMask } from '@taxiway/domain/secrets/mask.ts'
import { makeLogTail } from './log-tail.ts'

/** The log of one stage: takes raw output, writes whole lines in batches, masked, capped with its tail kept. */
export interface StageLog {
  /** Takes output; the promise resolves when there is room again. */
  write(chunk: Buffer | string): Promise<void> | undefined
  /** A line of Taxiway's own. */
  say(line: string): void
  /** The last lines that were not empty, newest last; asked when whatever wrote them has ended. */
  lastLines(count: number): string[]
  /** A part of this log for output of its own, told by what stands before its lines; end it before the log. */
  part(prefix: string): StageLog
  /** Writes what is left. */
  end(): Promise<void>
}
export interface StageLogOptions {
  /** Appends whole lines to the record. */
  append(text: string): Promise<void>
  secrets: readonly string[]
  /** More than this many bytes of output are not kept, except for the tail. */
  keepBytes: number
  tailBytes: number
}
/** Batches are written so far apart, or as soon as they have so many bytes: a line after a silence goes at once. */
const batchMs = 20
const batchBytes = 64 * 1024
/** So much of a part's end is remembered when it is not kept. */
const endingLength = 4096
/** A line without an end is cut here. */
const longestLine = 16 * 1024
/** Text of more than this is a large object to the collector, and lies about until it collects everything. */
const decodeBytes = 16 * 1024

/** What all parts of a log share: the batches, and how much is kept. */
interface Sink {
  /** Takes a whole line. */
  line(text: string): Promise<void> | undefined
  /** Takes output beyond what is kept. */
  beyond(text: string): void
  isFull(): boolean
  end(): Promise<void>
}

/** Makes the log of one stage. */
export function makeStageLog(options: StageLogOptions): StageLog {
  const sink = makeSink(options)
  const whole = makePart(sink, options.secrets, '')
  return {
    ...whole,
    async end() {
      await whole.end()
      await sink.end()
    },
  }
}

function makeSink(options: StageLogOptions): Sink {
  let batch = ''
  const tail = makeLogTail(options.tailBytes, longestLine)
  let seenBytes = 0
  let keptBytes = 0
  let timer: NodeJS.Timeout | undefined
  let lastMs = 0
  let writing: Promise<unknown> = Promise.resolve()

  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    const text = batch
    batch = ''
    lastMs = performance.now()
    if (text) writing = writing.then(() => options.append(text))
    return writing
  }
  const keep = (text: string) => {
    batch += text
    timer ??= setTimeout(flush, Math.max(0, batchMs - (performance.now() - lastMs)))
    return batch.length >= batchBytes ? flush().then(() => {}) : undefined
  }
  return {
    line(text) {
      const bytes = Buffer.byteLength(text)
      seenBytes += bytes
      if (keptBytes + bytes <= options.keepBytes && tail.isEmpty()) {
        keptBytes += bytes
        return keep(text)
      }
      tail.add(text)
      return undefined
    },
    beyond(text) {
      seenBytes += Buffer.byteLength(text)
      tail.add(text)
    },
    isFull: () => !tail.isEmpty(),
    async end() {
      if (!tail.isEmpty()) {
        const mb = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
        keep(`[log truncated: ${mb(keptBytes)} kept of ${mb(seenBytes)}; the last lines follow]\n${tail.text()}`)
      }
      await flush()
    },
  }
}

/** What is written at the same time must not be mixed up, so each part masks and cuts into lines for itself. */
function makePart(sink: Sink, secrets: readonly string[], prefix: string): StageLog {
  const mask = makeMask(secrets)
  const decoder = new TextDecoder('utf-8')
  const recent: string[] = []
  let partial = ''
  /** The end of what came beyond what is kept. */
  let ending = ''

  const line = (text: string) => {
    const clean = inert(text.replaceAll('\0', ''))
    if (text.trim()) recent.push(text)
    if (recent.length > 20) recent.shift()
    return sink.line(`${prefix}${clean}\n`)
  }
  const takeBeyond = (text: string) => {
    // Beyond what is kept, output is not taken apart any more: a flood must cost little.
    const clean = inert(text.replaceAll('\0', ''))
    partial = ''
    if (prefix === '') return sink.beyond(clean)
    const end = clean.lastIndexOf('\n')
    partial = clean.slice(end + 1)
    if (end >= 0) sink.beyond(`${prefix}${clean.slice(0, end).replaceAll('\n', `\n${prefix}`)}\n`)
    if (partial.length <= longestLine) return
    sink.beyond(`${prefix}${partial}\n`)
    partial = ''
  }
  const take = (text: string) => {
    const whole = partial + text
    if (sink.isFull()) {
      ending = (ending + (ending ? text : whole).slice(-endingLength)).slice(-endingLength)
      takeBeyond(whole)
      return undefined
    }
    const lines = whole.split('\n')
    partial = lines.pop() ?? ''
    while (partial.length > longestLine) {
      lines.push(partial.slice(0, longestLine))
      partial = partial.slice(longestLine)
    }
    let room: Promise<void> | undefined
    for (const one of lines) room = line(one.replace(/\r$/, '')) ?? room
    return room
  }
  return {
    write(chunk) {
      if (typeof chunk === 'string') return take(mask.push(chunk))
      let room: Promise<void> | undefined
      for (let at = 0; at < chunk.length; at += decodeBytes) {
        const text = decoder.decode(chunk.subarray(at, at + decodeBytes), { stream: true })
        room = take(mask.push(text)) ?? room
      }
      return room
    },
    say: (text) => void take(mask.push(`${text}\n`)),
    lastLines(count) {
      take(mask.end())
      const lines = ending ? ending.split('\n') : [...recent, partial]
      return lines.filter((one) => one.trim()).slice(-count)
    },
    part: (inner) => makePart(sink, secrets, prefix + inert(inner)),
    async end() {
      take(mask.push(decoder.decode()) + mask.end())
      if (partial) line(partial)
      partial = ''
    },
  }
}
