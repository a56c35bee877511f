import { expect, test } from 'vitest'

const { cleanLines } = await import(new URL('./assets/log-text.js', import.meta.url).href)

test('escape sequences are gone from a log, and the text between them stays', () => {
  expect(cleanLines('\u001b[1;32mok\u001b[0m 3 tests\n')).toEqual(['ok 3 tests'])
  expect(cleanLines('\u001b]8;;http://evil.example\u001b\\link\u001b]8;;\u0007 after\n')).toEqual(['link after'])
  expect(cleanLines('\u001b[2K\u001b[1Aup\u001b(B\u001b7\n')).toEqual(['up'])
})

test('progress that overwrites its line is folded to what stands at last', () => {
  expect(cleanLines('10 %\r50 %\r100 %\r\nnext\n')).toEqual(['100 %', 'next'])
})

test('other control characters and turned text are gone, tabs and empty lines stay', () => {
  expect(cleanLines('a\tb\u0000\u0008\u202ec\n\nd')).toEqual(['a\tbc', '', 'd'])
})
