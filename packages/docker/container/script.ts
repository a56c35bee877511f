import { randomBytes } from 'node:crypto'

/** Commands as one program for `sh`, and what makes their output fit to be read. */
export interface Script {
  /** For `sh -c`: one shell for all commands; the first that fails ends it with its status. */
  program: string
  /** Takes the output as it comes. @returns what is to be shown: each command as `$ command`, and after it how long it took */
  shown(chunk: Buffer, stream: 'out' | 'err'): Buffer
  /** @returns what was held back, and how long the last command took */
  end(): Buffer
}
/** How a line that tells a time looks. */
export const isTimeLine = (line: string): boolean => /^\(\d+\.\d s\)$/.test(line)
/** Is it a line of ours: a command, or its time? A command's own may come before or after it, as the two streams race. */
export const isOwnLine = (line: string): boolean => line.startsWith('$ ') || isTimeLine(line)

const newline = 10
/** Of the number of a command. */
const mostDigits = 3

/**
 * Makes the script of a test. Shells have no clock that all of them share, so the script only marks where a command begins, with
 * a word that no output has by chance, and we look at our own clock when the mark arrives.
 */
export function makeScript(commands: string[], clock: () => number = () => performance.now()): Script {
  const word = `taxiway-${randomBytes(8).toString('hex')}:`
  let held = Buffer.alloc(0)
  let isLineOpen = false
  let beganMs: number | undefined

  const plain = (bytes: Buffer): Buffer => {
    if (bytes.length > 0) isLineOpen = bytes.at(-1) !== newline
    return bytes
  }
  const line = (text: string): Buffer => plain(Buffer.from(`${isLineOpen ? '\n' : ''}${text}\n`))
  const timed = (): Buffer[] => (beganMs === undefined ? [] : [line(`(${((clock() - beganMs) / 1000).toFixed(1)} s)`)])
  const begin = (index: number): Buffer[] => {
    const parts = [...timed(), line(`$ ${commands[index] ?? ''}`)]
    beganMs = clock()
    return parts
  }
  const take = (chunk: Buffer): Buffer => {
    const parts: Buffer[] = []
    let rest = held.length > 0 ? Buffer.concat([held, chunk]) : chunk
    for (;;) {
      const at = rest.indexOf(word)
      const end = at === -1 ? -1 : rest.subarray(at, at + word.length + mostDigits + 1).indexOf(newline)
      if (end === -1) {
        const isForged = at !== -1 && rest.length > at + word.length + mostDigits
        const keepFrom = isForged ? rest.length : at === -1 ? rest.length - overlap(rest, word) : at
        parts.push(plain(rest.subarray(0, keepFrom)))
        held = Buffer.from(rest.subarray(keepFrom))
        return Buffer.concat(parts)
      }
      parts.push(plain(rest.subarray(0, at)), ...begin(Number(rest.subarray(at + word.length, at + end).toString())))
      rest = rest.subarray(at + end + 1)
    }
  }
  return {
    program: ['set -e', ...commands.map((command, index) => `echo ${word}${index}\n${command}\n${check}`)].join('\n'),
    // The marks come by the first stream only.
    shown: (chunk, stream) => (stream === 'err' ? plain(chunk) : take(chunk)),
    end: () => Buffer.concat([plain(held), ...timed()]),
  }
}

/** `-e` alone overlooks what fails before an `&&`. */
const check = 'case $? in 0) ;; *) exit $? ;; esac'

/** How many bytes at the end may be the beginning of the word. */
function overlap(bytes: Buffer, word: string): number {
  for (let length = Math.min(bytes.length, word.length - 1); length > 0; length--)
    if (bytes.subarray(bytes.length - length).toString('latin1') === word.slice(0, length)) return length
  return 0
}
