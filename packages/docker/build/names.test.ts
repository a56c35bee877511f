import { expect, test } from 'vitest'
import { bytesOf, nameOf } from './names.ts'

test.each([
  ['plain', 'abc'],
  ['UTF-8', 'é🙂\u{10ffff}'],
  ['Latin-1', Buffer.from([0x63, 0x61, 0x66, 0xe9])],
  ['a byte between characters', Buffer.from([0xc3, 0xa9, 0xff, 0xf0, 0x9f, 0x99, 0x82])],
  ['a character that is cut off', Buffer.from([0x61, 0xf0, 0x9f, 0x99])],
  ['a surrogate in UTF-8', Buffer.from([0xed, 0xb2, 0x80])],
])('a name survives as text: %s', (_what, bytes) => {
  expect(bytesOf(nameOf(Buffer.from(bytes)))).toEqual(Buffer.from(bytes))
})

test('names that differ are different text', () => {
  const names = [[0xe9], [0xe8], [0xc3, 0xa9]].map((bytes) => nameOf(Buffer.from(bytes)))
  expect(new Set(names).size).toBe(3)
})
