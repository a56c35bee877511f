import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { makeScreen, type Out } from './screen.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
})

function open(terminal?: { isTTY: true; columns: number; getColorDepth(): number }) {
  const stream = new PassThrough().setEncoding('utf8')
  const screen = makeScreen(Object.assign(stream, terminal) as unknown as Out)
  return { screen, text: () => (stream.read() as string | null) ?? '' }
}
const terminal = { isTTY: true, columns: 30, getColorDepth: () => 8 } as const

test('without a terminal there are no colours, and a long wait says every ten seconds that it lives', () => {
  const { screen, text } = open()
  screen.say('  FAIL first-push', 'red')
  screen.waitFor('run #4, stage deploy:production')
  vi.advanceTimersByTime(9000)
  expect(text()).toBe('  FAIL first-push\n')
  vi.advanceTimersByTime(12_000)
  expect(text()).toBe(
    '  10 s, waiting for run #4, stage deploy:production\n  20 s, waiting for run #4, stage deploy:production\n',
  )
  screen.waitFor()
  vi.advanceTimersByTime(30_000)
  expect(text()).toBe('')
})

test('on a terminal failures are red, and the wait is one line in its place that never wraps', () => {
  vi.stubEnv('NO_COLOR', undefined)
  vi.stubEnv('FORCE_COLOR', undefined)
  const { screen, text } = open(terminal)
  screen.say('FAIL', 'red')
  expect(text()).toBe('\x1b[31mFAIL\x1b[39m\n')
  screen.waitFor('run #4, stage deploy:production')
  vi.advanceTimersByTime(2000)
  const shown = (seconds: number) => `\x1b[2m  ${seconds} s, waiting for run #4, st\x1b[22m`
  expect(text()).toBe(`${shown(1)}\r\x1b[2K${shown(2)}`)
  screen.say('run #4 is live')
  expect(text()).toBe('\r\x1b[2Krun #4 is live\n')
  vi.advanceTimersByTime(1000)
  screen.close()
  expect(text()).toBe(`${shown(3)}\r\x1b[2K`)
})

test('a new wait begins at nothing, the same one goes on', () => {
  const { screen, text } = open()
  screen.waitFor('this')
  vi.advanceTimersByTime(5000)
  screen.waitFor('this')
  vi.advanceTimersByTime(5000)
  expect(text()).toBe('  10 s, waiting for this\n')
  screen.waitFor('that')
  vi.advanceTimersByTime(10_000)
  expect(text()).toBe('  10 s, waiting for that\n')
})
