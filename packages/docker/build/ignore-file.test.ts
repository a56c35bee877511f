import { expect, test } from 'vitest'
import { ignoreRules } from './ignore-file.ts'

test.each([
  ['a.txt', 'a.txt', true],
  ['a.txt', 'A.txt', false],
  ['a.txt', 'sub/a.txt', false],
  ['/a.txt', 'a.txt', true],
  ['./sub/', 'sub/deep/a.txt', true],
  ['sub', 'subway', false],
  ['*.md', 'README.md', true],
  ['*.md', 'docs/a.md', false],
  ['*/*.md', 'docs/a.md', true],
  ['**/*.md', 'README.md', true],
  ['**/node_modules', 'a/b/node_modules/c/index.js', true],
  ['a/**/b', 'a/x/y/b/c', true],
  ['a/../b', 'b/c', true],
  ['temp?', 'temp1/x', true],
  ['[ab].txt', 'b.txt', true],
  ['{a,b}', '{a,b}', true],
  ['{a,b}', 'a', false],
  ['# a', '# a', false],
  ['.', 'a', false],
  ['  a  ', 'a', true],
])('%s and %s: %s', (pattern, path, isIgnored) => {
  expect(ignoreRules([pattern]).ignores(path)).toBe(isIgnored)
})

test('the last that matches decides, for what is in a folder as well', () => {
  const rules = ignoreRules(['*', '!src', 'src/*.log', '! src/keep.log'])
  expect(['a', 'src/a.ts', 'src/a.log', 'src/keep.log'].map(rules.ignores)).toEqual([true, false, true, false])
  expect(rules.hasExceptions).toBe(true)
  expect(ignoreRules(['a']).hasExceptions).toBe(false)
})

test('hostile patterns take moments for a file, and have an end for many', () => {
  const before = process.cpuUsage()
  const rules = ignoreRules(Array.from({ length: 100 }, () => `${'*a'.repeat(60)}b`))
  expect(rules.ignores('a'.repeat(200))).toBe(false)
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(100)
  const many = Array.from({ length: 2000 }, (_, index) => rules.ignores(`${'a'.repeat(200)}${index}`))
  expect(many.at(-1)).toBeUndefined()
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(2000)
})
