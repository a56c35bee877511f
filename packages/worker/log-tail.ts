/** The last words of output that is not kept: pieces are added and the oldest dropped, without taking them apart. */
export interface LogTail {
  add(text: string): void
  isEmpty(): boolean
  /** Whole lines, the newest `limit` characters at most, with overlong ones cut. */
  text(): string
}

/** Makes the tail of a log. */
export function makeLogTail(limit: number, longestLine: number): LogTail {
  const pieces: string[] = []
  let length = 0
  const newest = () => pieces.join('').slice(-limit).replaceAll('\r\n', '\n')
  return {
    add(text) {
      const last = pieces.at(-1)
      // Many small pieces would cost more than they hold.
      if (last !== undefined && last.length < 4096) pieces[pieces.length - 1] = last + text
      else pieces.push(text)
      length += text.length
      while (length - (pieces[0]?.length ?? 0) >= limit) length -= pieces.shift()?.length ?? 0
    },
    isEmpty: () => pieces.length === 0,
    text() {
      const whole = newest()
      // The first line has lost its beginning, unless it is all there is.
      const from = whole.indexOf('\n') + 1
      const lines = whole.slice(from < whole.length ? from : 0).replace(/\n$/, '')
      return `${lines.replace(new RegExp(`[^\\n]{${longestLine}}(?=[^\\n])`, 'g'), '$&\n')}\n`
    },
  }
}
