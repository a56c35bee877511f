import { expect, test } from 'vitest'
import { makeLogTail } from './log-tail.ts'

const tailOf = (...pieces: string[]) => {
  const tail = makeLogTail(20, 8)
  for (const piece of pieces) tail.add(piece)
  return tail
}

test('the newest whole lines are kept', () => {
  const tail = tailOf('one two three\n', 'four\r\nfi', 've\n', 'six\nseven\n')
  expect(tail.text()).toBe('five\nsix\nseven\n')
})

test('a line longer than all that is kept is cut', () => {
  expect(tailOf('x'.repeat(100)).text()).toBe('xxxxxxxx\nxxxxxxxx\nxxxx\n')
  expect(tailOf('x'.repeat(100), '\nlast\n').text()).toBe('last\n')
  expect(tailOf('x'.repeat(100), '\n').text()).toBe('xxxxxxxx\nxxxxxxxx\nxxx\n')
})

test('nothing was added', () => {
  expect(tailOf().isEmpty()).toBe(true)
})
