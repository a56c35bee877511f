import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { isOwnLine, isTimeLine, makeScript, type Script } from './script.ts'

/** Runs a script in the real shell and shows its output in pieces of so many bytes. */
function run(commands: string[], size = 1000): { text: string; status: number | null } {
  let now = 0
  const script = makeScript(commands, () => {
    now += 100
    return now
  })
  const { stdout, status } = spawnSync('sh', ['-c', script.program])
  return { text: inPieces(script, stdout, size), status }
}
function inPieces(script: Script, bytes: Buffer, size: number): string {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) parts.push(script.shown(bytes.subarray(at, at + size), 'out'))
  return Buffer.concat([...parts, script.end()]).toString()
}

test('each command is shown before its output, and timed after it, however the output is cut', () => {
  const wanted = "$ echo 'één'\néén\n(0.2 s)\n$ printf x\nx\n(0.2 s)\n$ true\n(0.1 s)\n"
  for (const size of [1, 2, 7, 30, 1000]) {
    const { text, status } = run(["echo 'één'", 'printf x', 'true'], size)
    expect({ text: text.replaceAll(/\d\.\d/g, '0.2'), status }).toEqual({
      text: wanted.replaceAll('0.1', '0.2'),
      status: 0,
    })
  }
})

test('the first command that fails ends the script with its status', () => {
  expect(run(['sh -c "exit 7"', 'echo never'])).toEqual({ text: expect.not.stringContaining('never\n'), status: 7 })
  expect(run(['false && echo a', 'echo never']).status).toBe(1)
  expect(run(['cd /usr', 'pwd', 'test "$PWD" = /usr # stays', 'false || true'])).toMatchObject({ status: 0 })
})

test('what a command prints before it, without an end of line, stays on its line', () => {
  const script = makeScript(['a'])
  expect(script.shown(Buffer.from('open'), 'err').toString()).toBe('open')
  expect(script.shown(Buffer.from(`${/echo (.*)/.exec(script.program)?.[1]}\n`), 'out').toString()).toBe('\n$ a\n')
  expect(script.end().toString().trim()).toSatisfy(isTimeLine)
})

test('the last words of a command are found, though its stream for errors was quicker than the mark', () => {
  const script = makeScript(['sh test.sh'])
  const mark = Buffer.from(`${/echo (.*)/.exec(script.program)?.[1]}\n`)
  const shown = [script.shown(Buffer.from('no version\n'), 'err'), script.shown(mark, 'out'), script.end()]
  const lines = Buffer.concat(shown).toString().trim().split('\n')
  expect(lines).toEqual(['no version', '$ sh test.sh', expect.stringMatching(/^\(0\.0 s\)$/)])
  expect(lines.findLast((line) => !isOwnLine(line))).toBe('no version')
})
