import { makeMask } from '@taxiway/domain/mask.ts'
import { makeLogTail } from './log-tail.ts'

/** The log of one stage: takes raw output, writes whole lines in batches, masked, capped with its tail kept. */
export interface StageLog {
  /** Takes output; the promise resolves when there is room again. */
  write(chunk: Buffer | string): Promise<void> | undefined
  /** A line of Taxiway's own. */
  say(line: string): void
  /** The last lines that were not empty, newest last; asked when whatever wrote them has ended. */
  lastLines(count: number): string[]
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
/** Lines are collected for so long, or until so many bytes, before they are written. */
const batchMs = 50
const batchBytes = 64 * 1024
/** A line without an end is cut here. */
const longestLine = 16 * 1024
/** Text of more than this is a large object to the collector, and lies about until it collects everything. */
const decodeBytes = 16 * 1024

/** Makes the log of one stage. */
export function makeStageLog(options: StageLogOptions): StageLog {
  const mask = makeMask(options.secrets)
  const decoder = new TextDecoder('utf-8')
  const recent: string[] = []
  let partial = ''
  let batch = ''
  const tail = makeLogTail(options.tailBytes, longestLine)
  let seenBytes = 0
  let keptBytes = 0
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<unknown> = Promise.resolve()

  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    const text = batch
    batch = ''
    if (text) writing = writing.then(() => options.append(text))
    return writing
  }
  const keep = (text: string) => {
    batch += text
    timer ??= setTimeout(flush, batchMs)
    return batch.length >= batchBytes ? flush().then(() => {}) : undefined
  }
  const line = (text: string) => {
    const clean = `${text.replaceAll('\0', '')}\n`
    if (text.trim()) recent.push(text)
    if (recent.length > 20) recent.shift()
    const bytes = Buffer.byteLength(clean)
    seenBytes += bytes
    if (keptBytes + bytes <= options.keepBytes && tail.isEmpty()) {
      keptBytes += bytes
      return keep(clean)
    }
    tail.add(clean)
    return undefined
  }
  const take = (text: string) => {
    if (!tail.isEmpty()) {
      // Beyond what is kept, output is not taken apart any more: a flood must cost little.
      const clean = (partial + text).replaceAll('\0', '')
      partial = ''
      seenBytes += Buffer.byteLength(clean)
      tail.add(clean)
      return undefined
    }
    const lines = (partial + text).split('\n')
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
      return tail.isEmpty() ? [...recent, partial].filter((one) => one.trim()).slice(-count) : tail.lastLines(count)
    },
    async end() {
      take(mask.push(decoder.decode()) + mask.end())
      if (partial) line(partial)
      partial = ''
      if (!tail.isEmpty()) {
        const mb = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
        keep(`[log truncated: ${mb(keptBytes)} kept of ${mb(seenBytes)}; the last lines follow]\n${tail.text()}`)
      }
      await flush()
    },
  }
}
