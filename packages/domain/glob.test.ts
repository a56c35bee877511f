import fc from 'fast-check'
import { expect, test } from 'vitest'
import { globMatcher, globPattern } from './glob.ts'

const matches = (text: string, ...globs: string[]) => globMatcher(globs)(text)

test.each([
  ['main', 'main', true],
  ['main', 'mai', false],
  ['main', 'Main', false],
  ['*', 'main', true],
  ['*', 'feature/one', false],
  ['*', '.hidden', true],
  ['**', 'feature/one', true],
  ['**', '', false],
  ['release*', 'release/1', false],
  ['release**', 'release/1', true],
  ['release/*', 'release/', true],
  ['release/**', 'release', false],
  ['release/**', 'release/1/2', true],
  ['**/test', 'test', true],
  ['**/test', 'a/b/test', true],
  ['**/test', 'atest', false],
  ['src/**/x.ts', 'src/x.ts', true],
  ['src/**/x.ts', 'src/a/b/x.ts', true],
  ['src/**/x.ts', 'src/ax.ts', false],
  ['**/**/a', 'a', true],
  ['v?.?', 'v1.2', true],
  ['a?b', 'a/b', false],
  ['v[0-9]*', 'v10', true],
  ['v[!0-9]', 'v1', false],
  ['v[^0-9]', 'vx', true],
  ['a[!b]c', 'a/c', false],
  ['a[]-]b', 'a]b', true],
  ['{main,release/{1,2}.*}', 'release/2.x', true],
  ['{main,release/{1,2}.*}', 'release/3.x', false],
  ['x{,y}', 'x', true],
  ['{id}', '{id}', true],
  ['a{b', 'a{b', true],
  ['app/\\[id\\]/*', 'app/[id]/page.tsx', true],
  ['app/(shop)/*', 'app/(shop)/a', true],
  ['a+b|c$', 'a+b|c$', true],
  ['\\!odd', '!odd', true],
  ['?', '🛫', true],
])('%s and %s: %s', (glob, text, isMatch) => {
  expect(matches(text, glob)).toBe(isMatch)
})

test.each([
  [['!dev'], 'main', true],
  [['!dev'], 'dev', false],
  [['**', '!dev'], 'dev', false],
  [['**', '!release/**', 'release/2'], 'release/2', true],
  [['main', '!dev'], 'other', false],
])('of %j the last that matches decides for %s: %s', (globs, text, isIn) => {
  expect(matches(text, ...globs)).toBe(isIn)
})

test('what other tools read as a pattern and would match nothing here is refused', () => {
  const takes = (glob: string) => new RegExp(globPattern, 'u').test(glob)
  expect(['**', '!docs/**', 'app/(shop)/**', 'v[0-9]*', '{a,b}'].filter(takes)).toHaveLength(5)
  expect(['(a+)+b', '@(a|b)', '+(a)', '!(main)', '{1..3}', '[[:digit:]]', 'a\nb'].filter(takes)).toEqual(['(a+)+b'])
})

const longest = 255
const hostile: [string, string, string][] = [
  ['a plus in a group', '(a+)+b', 'a'.repeat(longest)],
  ['many stars', '*a'.repeat(127), 'a'.repeat(longest)],
  ['many crossing stars', '**a/'.repeat(63), 'a/'.repeat(127)],
  ['many folders', '**/'.repeat(84), 'a/'.repeat(127)],
  ['alternatives of alternatives', `${'{a,a,'.repeat(40)}b${'}'.repeat(40)}`, 'a'.repeat(longest)],
  ['alternatives one after another', '{a,aa}'.repeat(42), 'a'.repeat(longest)],
  ['braces that nobody closes', '{'.repeat(longest), '{'.repeat(longest)],
  ['brackets', '[a-z]'.repeat(51), 'a'.repeat(longest)],
  ['brackets that nobody closes', '['.repeat(longest), '['.repeat(longest)],
]
/** Processor time of a call in milliseconds: a busy machine changes nothing about it. */
function cpuMs(call: () => void): number {
  const before = process.cpuUsage()
  call()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
test.each(hostile)('a list of fifty hostile globs takes moments: %s', (_what, glob, text) => {
  const globs = Array.from({ length: 50 }, (_, index) => `${glob.slice(0, -2)}${index % 10}`)
  expect(
    cpuMs(() => {
      new RegExp(globPattern, 'u').test(glob)
      matches(`${text.slice(0, -1)}c`, ...globs)
    }),
  ).toBeLessThan(100)
})

test('with ten thousand hostile names a matcher ends in time, and then all match', () => {
  const isMatch = globMatcher(Array.from({ length: 50 }, () => '*a'.repeat(120)))
  const names = Array.from({ length: 10_000 }, (_, index) => `${'a'.repeat(240)}${index}c`)
  expect(cpuMs(() => names.forEach(isMatch))).toBeLessThan(1000)
  expect(isMatch('anything')).toBe(true)
})

test('a glob without signs matches itself and nothing else', () => {
  const plain = fc.string({ minLength: 1, unit: 'grapheme' }).filter((text) => !/[*?[{\\!]/.test(text))
  fc.assert(
    fc.property(plain, fc.string(), (text, other) => {
      expect(matches(text, text)).toBe(true)
      expect(matches(other, text)).toBe(other === text)
    }),
  )
})
