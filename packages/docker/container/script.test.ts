import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { isOwnLine, makeScript, type Script } from './script.ts'

/** Runs a script in a real shell and shows its output in pieces of so many bytes. */
function run(commands: string[], { size = 1000, shell = 'sh' } = {}) {
  let now = 0
  const clock = () => {
    now += 100
    return now
  }
  const script = makeScript(commands, { shell, clock })
  const [program = '', ...rest] = script.entrypoint
  const { stdout, stderr, status } = spawnSync(program, rest)
  expect(stderr.toString()).toBe('')
  return { text: inPieces(script, stdout, size), status, last: script.last() }
}
function inPieces(script: Script, bytes: Buffer, size: number): string {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) parts.push(script.shown(bytes.subarray(at, at + size)))
  return Buffer.concat([...parts, script.end()]).toString()
}

test('each command is shown before its output, and timed after it, however the output is cut', () => {
  const wanted = "$ echo 'één'\néén\n(0.1 s)\n$ printf x\nx\n(0.1 s)\n$ true\n(0.1 s)\n"
  for (const size of [1, 2, 7, 30, 1000]) {
    const { text, status } = run(["echo 'één'", 'printf x', 'true'], { size })
    expect({ text, status }).toEqual({ text: wanted, status: 0 })
    expect(text.split('\n').filter(isOwnLine)).toHaveLength(6)
  }
})

test('the first command that fails ends the script with its status, and is known', () => {
  const failed = run(['sh -c "exit 7"', 'echo never'])
  expect(failed).toMatchObject({ status: 7, last: { command: 'sh -c "exit 7"', isSilent: true } })
  expect(failed.text).not.toContain('never\n')
  expect(run(['false && echo a', 'echo never']).status).toBe(1)
  expect(run(['cd /usr', 'pwd', 'test "$PWD" = /usr # stays', 'false || true'])).toMatchObject({ status: 0 })
  expect(run(['echo why', 'echo gone; false']).last).toEqual({ command: 'echo gone; false', isSilent: false })
  expect(run(['set +e', 'false', 'true']).status).toBe(1)
})

test('output and errors stand in the order in which they were written', () => {
  const { text } = run(['for i in 1 2 3; do echo out $i; echo err $i >&2; done'])
  expect(text.split('\n').filter((line) => !isOwnLine(line))).toEqual([
    ...[1, 2, 3].flatMap((i) => [`out ${i}`, `err ${i}`]),
    '',
  ])
})

test('a pipe fails with any part of it where the shell has pipefail, and where it has not, that is told', () => {
  expect(run(['false | cat', 'echo after'], { shell: 'bash' })).toMatchObject({ status: 1 })
  const note = /^note: this shell has no pipefail/
  const { status, text } = run(['false | cat'], { shell: 'dash' })
  expect(status === 0 ? text : 'note: this shell has no pipefail').toMatch(note)
  for (const shell of ['dash', 'bash']) {
    expect(run(['false || true', 'echo a'], { shell }).text).not.toMatch(note)
    expect(run(['true | cat'], { shell }).status).toBe(0)
  }
})

test('a quote that is left open spoils none but its own command', () => {
  for (const shell of ['sh', 'bash']) {
    const { status, last } = run(["echo it's fine", "exit 0 # isn't", 'false'], { shell })
    expect([status === 0, last?.command]).toEqual([false, "echo it's fine"])
  }
  expect(run(["echo 'a\nb'", 'cat <<END\n$HOME\nEND\nexit 3'])).toMatchObject({ status: 3 })
})

test('neither set -x nor a list of processes makes a command begin twice', () => {
  const { text } = run(['set -x', 'tr "\\0" "\\n" < /proc/$$/cmdline', 'true'])
  expect(text.split('\n').filter((line) => line.startsWith('$ '))).toHaveLength(3)
})

test('where no command began, that is known', () => {
  const script = makeScript(['exit 7'])
  expect(script.shown(Buffer.from('shop 1.0 called with: sh -c\n')).toString()).toContain('shop')
  expect(script.last()).toBeUndefined()
})

test('what is printed without an end of line before a command stays on its line', () => {
  const { text } = run(['printf open', 'printf "\\n"'])
  expect(text).toMatch(/^\$ printf open\nopen\n\(0\.1 s\)\n\$ printf/)
})
