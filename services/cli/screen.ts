import { styleText } from 'node:util'
import { isOwnLine } from '@taxiway/docker/container/script.ts'
import { oneLine } from '@taxiway/domain/reason.ts'
import { type Mask, makeMask } from '@taxiway/domain/secrets/mask.ts'

/** What a person sees of a local run: its own lines, and the output of what it runs, with secrets hidden. */
export interface Screen {
  /** A stage begins. */
  stage(text: string): void
  note(text: string): void
  good(text: string): void
  bad(text: string): void
  /** Output as it comes. */
  output(chunk: Buffer): void
  /** Hides the secrets of this run in other output. */
  mask(): Mask
  /** The last line of this stage's output that is neither empty nor a command, which is shown as `$ command`, nor its time. */
  lastLine(): string
}

/** Writes to standard output, with colours only where they are wanted: a terminal, and no NO_COLOR. */
export function makeScreen(secrets: string[]): Screen {
  const mask = makeMask(secrets)
  const decoder = new TextDecoder()
  let last = ''
  let unfinished = ''
  const write = (text: string) => {
    if (text === '') return
    process.stdout.write(text)
    const lines = (unfinished + text).split(/\r?\n/)
    unfinished = (lines.pop() ?? '').slice(-1000)
    const isWord = (line: string) => oneLine(line, 2) !== '' && !isOwnLine(line)
    last = [...lines, unfinished].findLast(isWord) ?? last
  }
  const line = (format: Parameters<typeof styleText>[0], text: string) => {
    write(mask.end())
    process.stdout.write(`${unfinished === '' ? '' : '\n'}${styleText(format, text)}\n`)
    unfinished = ''
  }
  return {
    stage(text) {
      line('bold', `▸ ${text}`)
      last = ''
    },
    note: (text) => line('yellow', `  ${text}`),
    good: (text) => line('green', `✓ ${text}`),
    bad: (text) => line('red', `✗ ${text}`),
    output: (chunk) => write(mask.push(decoder.decode(chunk, { stream: true }))),
    mask: () => makeMask(secrets),
    lastLine: () => last.trim(),
  }
}
