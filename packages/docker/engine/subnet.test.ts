import { expect, test } from 'vitest'
import { firstOf, freePart, parseRange } from './subnet.ts'

test.each([
  ['10.213.0.0/16', { first: 181731328, last: 181796863 }],
  ['255.255.255.255', { first: 4294967295, last: 4294967295 }],
  ['10.213.0.77/27', { first: 181731392, last: 181731423 }],
  ['10.213.0.0/33', undefined],
  ['10.256.0.0/16', undefined],
  ['fd00::/8', undefined],
  ['x', undefined],
])('%s is read', (text, range) => {
  expect(parseRange(text)).toEqual(range)
})

test('a part is free when no network reaches into it, whatever its size', () => {
  const pool = parseRange('10.213.0.0/25')
  if (!pool) throw new Error('no pool')
  const taken = (...texts: string[]) => texts.flatMap((text) => parseRange(text) ?? [])
  expect(freePart(pool, [], 0)).toBe('10.213.0.0/27')
  expect(freePart(pool, [], 7)).toBe('10.213.0.96/27')
  expect(freePart(pool, taken('10.213.0.64/30', '10.213.0.96/27'), 2)).toBe('10.213.0.0/27')
  expect(freePart(pool, taken('10.0.0.0/8'), 1)).toBeUndefined()
  expect(firstOf('10.213.0.96/27')).toBe('10.213.0.97')
})
