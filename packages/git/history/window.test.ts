import { expect, test } from 'vitest'
import { windowOf } from './window.ts'

/** d is made from b and c, both from a; c also from x. */
const listed = 'd b c\nb a\nc a x\na\nx\n'
const look = (depth: number, cut: string[] = [], lines = listed) => {
  const { commits, shallow } = windowOf('d', depth, lines, new Set(cut))
  return [[...commits].sort().join(''), shallow.join('')]
}

test('a history is seen so many generations deep, and what lies behind is cut', () => {
  expect(look(1)).toEqual(['d', 'd'])
  expect(look(2)).toEqual(['bcd', 'bc'])
  expect(look(3)).toEqual(['abcdx', ''])
  expect(look(99)).toEqual(['abcdx', ''])
})

test('it is the same whether the rest is at hand or not', () => {
  expect(look(2, ['b', 'c'], 'd b c\nb\nc\n')).toEqual(look(2))
  expect(look(99, ['a'])).toEqual(['abcdx', 'a'])
})
