import { expect, test } from 'vitest'
import type { Ran } from './container.ts'
import { causeOf, judge } from './judge.ts'

const judged = (ran: Partial<Ran>, hasBegun = true) => {
  const whole = { exitCode: 0, oomKilled: false, timedOut: false, durationMs: 1, ...ran }
  const { verdict, note } = judge({ name: 'unit', timeoutMs: 60_000 }, whole, {
    memoryMb: 64,
    words: 'the cause',
    hasBegun,
  })
  return [verdict.ok ? 'passed' : verdict.reason.code, note?.code]
}

test('commands that ended with 0 have passed, and what was killed beside them is a note', () => {
  expect(judged({})).toEqual(['passed', undefined])
  expect(judged({ oomKilled: true })).toEqual(['passed', 'process_killed'])
  expect(judged({ met: { what: 'disk', limit: '1 MB' } })).toEqual(['passed', undefined])
})

test('a test is out of memory when the kernel killed its commands for that, and not for a number', () => {
  expect(judged({ exitCode: 137, oomKilled: true })).toEqual(['out_of_memory', undefined])
  expect(judged({ exitCode: 137 })).toEqual(['test_failed', undefined])
  expect(judged({ exitCode: 1, oomKilled: true })).toEqual(['test_failed', 'process_killed'])
})

test('what ran out of its time has not passed, though it ended well', () => {
  expect(judged({ timedOut: true })).toEqual(['timeout', undefined])
  expect(judged({ exitCode: 137, met: { what: 'disk', limit: '1 MB' } })).toEqual(['resource_limit', undefined])
})

test('a test in which no command began has not passed', () => {
  expect(judged({}, false)).toEqual(['test_failed', undefined])
})

test('what a command that failed printed last is the cause; one that printed nothing is named', () => {
  const script = (isSilent: boolean) => ({ last: () => ({ command: 'test 1 = 2', isSilent }) })
  const lines = [
    '$ test 1 = 2',
    '\u001b[1;31mFAIL\u001b[0m \u001b[2mtests/a.test.js\u001b[0m.',
    '10 %\r20 %\r',
    '\u001b[0m',
  ]
  expect(causeOf(script(false), lines.slice(0, 2))).toBe('FAIL tests/a.test.js')
  expect(causeOf(script(false), lines)).toBe('20 %')
  expect(causeOf(script(false), lines.slice(-1))).toBe('test 1 = 2, which printed nothing')
  expect(causeOf(script(true), ['from before'])).toBe('test 1 = 2, which printed nothing')
  const exit = { last: () => ({ command: 'exit 3', isSilent: true }) }
  expect(causeOf(exit, ['the cause', '(0.1 s)', '$ exit 3'])).toBe('the cause')
  expect(causeOf(exit, ['$ exit 3'])).toBe('exit 3, which printed nothing')
  expect(causeOf({ last: () => undefined }, ['sh: not found'])).toBe('sh: not found')
})
