import { styleText } from 'node:util'

/** What is written to: a terminal, or anything else. */
export type Out = NodeJS.WritableStream & { isTTY?: boolean; columns?: number }

type Style = Parameters<typeof styleText>[0]

/** What people see of a demo. Colours only on a terminal, and not where NO_COLOR is set. */
export interface Screen {
  say(line: string, style?: Style): void
  /** A line of less weight. */
  note(line: string): void
  /** Shows, until something else is named, what is waited for and for how long; nothing for nothing. */
  waitFor(what?: string): void
  close(): void
}
const tickMs = 1000
/** Without a terminal, a line so long after the last one. */
const silenceMs = 10_000

/** On a terminal the wait is one line at the bottom, which changes in its place; elsewhere a plain line now and then. */
export function makeScreen(out: Out): Screen {
  const paint = (style: Style, text: string) => styleText(style, text, { stream: out })
  let waiting: { what: string; sinceMs: number } | undefined
  let writtenMs = performance.now()
  let isShown = false
  const erase = () => {
    if (isShown) out.write('\r\x1b[2K')
    isShown = false
  }
  const write = (line: string) => {
    erase()
    out.write(`${line}\n`)
    writtenMs = performance.now()
  }
  const tick = () => {
    if (!waiting) return
    const seconds = Math.round((performance.now() - waiting.sinceMs) / 1000)
    if (out.isTTY) {
      erase()
      out.write(paint('dim', `  ${seconds} s, waiting for ${waiting.what}`.slice(0, (out.columns || 80) - 1)))
      isShown = true
    } else if (performance.now() - writtenMs >= silenceMs) write(`  ${seconds} s, waiting for ${waiting.what}`)
  }
  const timer = setInterval(tick, tickMs).unref()
  const say: Screen['say'] = (line, style) => write(style ? paint(style, line) : line)
  return {
    say,
    note: (line) => say(`  ${line}`, 'dim'),
    waitFor(what) {
      if (what === waiting?.what) return
      waiting = what ? { what, sinceMs: performance.now() } : undefined
      if (!what) erase()
    },
    close() {
      clearInterval(timer)
      erase()
    },
  }
}
