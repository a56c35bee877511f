import { makeMask } from '@taxiway/domain/mask.ts'

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

/** Makes the log of one stage. */
export function makeStageLog(options: StageLogOptions): StageLog {
  const mask = makeMask(options.secrets)
  const decoder = new TextDecoder('utf-8')
  const recent: string[] = []
  let partial = ''
  let batch = ''
  let tail = ''
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
    if (keptBytes + bytes <= options.keepBytes && tail === '') {
      keptBytes += bytes
      return keep(clean)
    }
    tail = (tail + clean).slice(-2 * options.tailBytes)
    if (tail.length > options.tailBytes * 1.5) tail = tail.slice(-options.tailBytes)
    return undefined
  }
  const take = (text: string) => {
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
    write: (chunk) => take(mask.push(typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }))),
    say: (text) => void take(mask.push(`${text}\n`)),
    lastLines(count) {
      take(mask.end())
      return [...recent, ...(partial.trim() ? [partial] : [])].slice(-count)
    },
    async end() {
      take(mask.push(decoder.decode()) + mask.end())
      if (partial) line(partial)
      partial = ''
      if (tail) {
        const mb = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`
        const whole = tail.slice(-options.tailBytes).replace(/^[^\n]*\n/, '')
        keep(`[log truncated: ${mb(keptBytes)} kept of ${mb(seenBytes)}; the last lines follow]\n${whole}`)
      }
      await flush()
    },
  }
}
