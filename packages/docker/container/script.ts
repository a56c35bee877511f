import { randomBytes } from 'node:crypto'
import { shellCommand } from '@taxiway/domain/shell.ts'

/** Commands as one program for a shell, and what makes their output fit to be read. */
export interface Script {
  /** What takes the place of the image's entrypoint: one shell for all commands; the first that fails ends it with its status. */
  entrypoint: string[]
  /** Takes the output as it comes. @returns what is to be shown: each command as `$ command`, and after it how long it took */
  shown(chunk: Buffer): Buffer
  /** @returns what was held back of the output */
  rest(): Buffer
  /** @returns what was held back, and how long the last command took */
  end(): Buffer
  /** The command that began last; undefined when none did, so that nothing was tested. */
  last(): { command: string; isSilent: boolean } | undefined
}
/** Is it a line of ours: a command, or its time? */
export const isOwnLine = (line: string): boolean => line.startsWith('$ ') || /^\(\d+\.\d s\)$/.test(line)

const newline = 10

/**
 * Makes the script of a test. Shells have no clock that all of them share, so the script only marks where a command begins, with
 * a word that no output has by chance, and we look at our own clock when the mark arrives.
 */
export function makeScript(
  commands: string[],
  { shell = 'sh', clock = () => performance.now() }: { shell?: string | undefined; clock?: () => number } = {},
): Script {
  const [first, second] = [randomBytes(4), randomBytes(4)].map((bytes) => bytes.toString('hex')) as [string, string]
  const mark = `taxiway-${first}${second}\n`
  let held = Buffer.alloc(0)
  let isLineOpen = false
  let isSilent = true
  let begun = 0
  let beganMs: number | undefined

  const plain = (bytes: Buffer): Buffer => {
    if (bytes.length > 0) isLineOpen = bytes.at(-1) !== newline
    return bytes
  }
  const output = (bytes: Buffer): Buffer => {
    if (isSilent) isSilent = bytes.toString('latin1').trim() === ''
    return plain(bytes)
  }
  const line = (text: string): Buffer => plain(Buffer.from(`${isLineOpen ? '\n' : ''}${text}\n`))
  const timed = (): Buffer[] => (beganMs === undefined ? [] : [line(`(${((clock() - beganMs) / 1000).toFixed(1)} s)`)])
  const begin = (): Buffer[] => {
    const parts = [...timed(), line(`$ ${commands[begun] ?? ''}`)]
    begun += 1
    isSilent = true
    beganMs = clock()
    return parts
  }
  const shown = (chunk: Buffer): Buffer => {
    const parts: Buffer[] = []
    let rest = held.length > 0 ? Buffer.concat([held, chunk]) : chunk
    for (;;) {
      const at = rest.indexOf(mark)
      if (at === -1) {
        const keepFrom = rest.length - overlap(rest, mark)
        parts.push(output(rest.subarray(0, keepFrom)))
        held = Buffer.from(rest.subarray(keepFrom))
        return Buffer.concat(parts)
      }
      parts.push(output(rest.subarray(0, at)), ...begin())
      rest = rest.subarray(at + mark.length)
    }
  }
  const rest = (): Buffer => {
    const bytes = output(held)
    held = Buffer.alloc(0)
    return bytes
  }
  return {
    // The mark stands in two parts, so that neither `set -x` nor a list of processes prints it.
    entrypoint: shellCommand(commands, shell, () => `printf '%s%s\\n' taxiway-${first} ${second}`),
    shown,
    rest,
    end: () => Buffer.concat([rest(), ...timed()]),
    last: () => (begun === 0 ? undefined : { command: commands[begun - 1] ?? '', isSilent }),
  }
}

/** How many bytes at the end may be the beginning of the mark. */
function overlap(bytes: Buffer, mark: string): number {
  for (let length = Math.min(bytes.length, mark.length - 1); length > 0; length--)
    if (bytes.subarray(bytes.length - length).toString('latin1') === mark.slice(0, length)) return length
  return 0
}
