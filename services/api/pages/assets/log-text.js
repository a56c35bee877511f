import { turning } from './inert.js'

// Built from strings, as the sequences begin with control characters.
const esc = String.fromCharCode(27)
const bell = String.fromCharCode(7)
/** Titles, links and device strings; then colours and cursor moves; then the two-character rest (ECMA-48, section 5). */
const sequences = new RegExp(
  `${esc}[\\]PX^_][^${esc}${bell}]*(?:${bell}|${esc}\\\\)?|${esc}\\[[0-?]*[ -/]*[@-~]?|${esc}[ -/]*[0-~]?`,
  'g',
)
/** Control characters but the tab. */
const unprintable = /[^\P{Cc}\t]/gu

/** The lines of a piece of log as a terminal would leave them: escape sequences gone, overwritten progress folded. */
export const cleanLines = (text) => text.replace(/\n$/, '').split('\n').map(cleanLine)

function cleanLine(line) {
  const plain = line.includes(esc) ? line.replace(sequences, '') : line
  const last = plain.includes('\r') ? (plain.split('\r').findLast((part) => part !== '') ?? '') : plain
  return last.replace(unprintable, '').replace(turning, '')
}
