import { expect, test } from 'vitest'
import { lastWords, oneLine, reason, reasonCodes } from './reason.ts'
import { intakeReasons } from './reasons/intake.ts'
import { rollOutReasons } from './reasons/roll-out.ts'
import { runReasons } from './reasons/run.ts'

test.each([
  ['\u001b[1;31mFAIL\u001b[0m \u001b[2mtests/a.test.js\u001b[0m', 'FAIL tests/a.test.js'],
  ['\u001b[38;2;1;2;3;4mred\u001b[K\u001b[?25l', 'red'],
  ['\u001b]0;a title\u0007words', 'words'],
  ['\u001b]8;;https://example.com\u001b\\a link\u001b]8;;\u001b\\', 'a link'],
  ['\u009b31mred', 'red'],
  ['\u001bP+q544e\u001b\\words\u001b(B', 'words'],
  ['cut off \u001b[', 'cut off'],
  ['two\u001b[1A\nlines\u202e', 'two lines'],
])('no part of an escape sequence is left in %j', (text, wanted) => {
  expect(oneLine(text, 100)).toBe(wanted)
  expect(reason('test_failed', { test: 'unit', exit: 1, detail: text }).message).not.toContain('[1;31m')
})

test('a hostile line is made plain in linear time', () => {
  for (const part of ['\u001b]', '\u001b[0;', '\u001bP', '\u001b ']) {
    const startedMs = performance.now()
    oneLine(part.repeat(200_000), 100)
    expect(performance.now() - startedMs).toBeLessThan(1000)
  }
})

test('the last words are of the last line that shows anything, in its last state', () => {
  expect(lastWords(['first', 'the cause.', '\u001b[0m', '  '], 100)).toBe('the cause')
  expect(lastWords(['10 %\r50 %\rdone: 3 failed\r'], 100)).toBe('done: 3 failed')
  expect(lastWords(['\u001b[0m'], 100)).toBe('')
})

test('no code stands in two files', () => {
  const all = [intakeReasons, runReasons, rollOutReasons].flatMap((one) => Object.keys(one))
  expect(reasonCodes).toEqual(all)
})
