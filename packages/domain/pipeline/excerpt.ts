import { oneLine } from '../reason.ts'

const mostBefore = 60
const mostShown = 120

/**
 * The line of a file with a mark under a column, both from 1; a long line is cut around it. Undefined when there is no such line.
 * @returns two lines: the text, and the mark
 */
export function excerptOf(text: string, { line, column = 1 }: { line: number; column?: number }): string | undefined {
  const whole = text.split('\n', line)[line - 1]
  if (whole === undefined) return undefined
  const from = Math.max(0, column - 1 - mostBefore)
  // Each control character becomes a space, so that the mark stays where it is.
  const shown = [...whole.slice(from, from + mostShown)]
    .map((sign) => oneLine(`a${sign}a`, 3).slice(1, -1) || ' ')
    .join('')
  return `${shown.trimEnd()}\n${' '.repeat(column - 1 - from)}^`
}
