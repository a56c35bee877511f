import { expect, test } from 'vitest'
import { excerptOf } from './excerpt.ts'

test('a line is shown with a mark under its column', () => {
  expect(excerptOf('version: 1\ntest:\n  unit: x\r\n', { line: 3, column: 9 })).toBe('  unit: x\n        ^')
  expect(excerptOf('a', { line: 1 })).toBe('a\n^')
  expect(excerptOf('a', { line: 2 })).toBeUndefined()
})

test('a long line is cut around the column, and nothing in it turns the text of a terminal', () => {
  const long = excerptOf(`${'x'.repeat(500)}y${'z'.repeat(500)}`, { line: 1, column: 501 })?.split('\n') ?? []
  expect(long[0]).toHaveLength(120)
  expect(long[0]?.[(long[1]?.length ?? 0) - 1]).toBe('y')
  expect(excerptOf('a: \u001b[31mred\u202e\u0007', { line: 1 })).toBe('a:  [31mred\n^')
})
