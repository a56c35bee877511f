import { done, refuse } from '@taxiway/domain/reason.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseYaml } from './parse.ts'

const options = { refusal: (detail: string) => refuse('config_invalid', { detail }), documents: 'one' as const }
const read = async (text: string | Buffer, more: object = {}) => {
  const before = process.cpuUsage()
  const parsed = await parseYaml(text, { ...options, ...more })
  const { user, system } = process.cpuUsage(before)
  // Of all threads: another program that keeps the machine busy does not count.
  const tookMs = (user + system) / 1000
  if (!parsed.ok) return { refused: parsed.reason.message.replace(/^\.taxiway\.yaml is not valid: /, ''), tookMs }
  return { values: parsed.value.documents.map(({ value }) => value), documents: parsed.value.documents, tookMs }
}
const doubling = (levels: number) =>
  `${['a0: &a0 [x, x]', ...Array.from({ length: levels }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`)].join('\n')}\n`

test.each([
  ['the billion laughs', doubling(30), /aliases/],
  ['a bomb within the number of aliases', doubling(20), /^line 2: .*aliases/],
  ['1e5 merge keys', `a: &a {x: 1}\n${'b: {<<: *a}\n'.repeat(100_000)}`, /larger than 256 KB/],
  [
    'merge keys in 256 KB',
    `a: &a {x: 1}\n${Array.from({ length: 9000 }, (_, i) => `k${i}: {<<: *a}`).join('\n')}`,
    /^line 2: merge keys/,
  ],
  ['a function tag', 'a: 1\nb: !!js/function "function () {}"\n', /^line 2: Unresolved tag/],
  ['a tag of the program', 'a: !secret x\n', /^line 1: a value that begins with ! must be in quotes/],
  [
    'a command that is negated',
    'run:\n  - ok\n  - ! grep a b\n',
    /^line 3: a value that begins with ! must be in quotes/,
  ],
  ['one without a space', 'run:\n  - !grep a b\n', /^line 2: a value that begins with !/],
  ['nothing after it', 'run:\n  - !\n  - ok\n', /^line 2: a value that begins with !/],
  ['a map after it', 'a:\n  b: ! {c: d}\n', /^line 2: a value that begins with !/],
  ['a list in brackets', 'a: [b, ! c, ! d]\nb: ! e', /^line 1: a value that begins with !/],
  ['a key after it', 'a: b\n! c: d\n', /^line 2: a value that begins with !/],
  ['a whole document after it', '--- ! x\n', /^line 1: a value that begins with !/],
  ['a set', 'a: !!set {x, y}\n', /^line 1: Unresolved tag/],
  ['bytes', 'a: !!binary aGk=\n', /^line 1: Unresolved tag/],
  ['__proto__', 'a: 1\n__proto__: {admin: true}\n', /^line 2: the key __proto__ is not allowed/],
  ['__proto__ further down', 'a:\n  - b: 1\n    "__pro\\x74o__": 2\n', /^line 3: the key __proto__ is not allowed/],
  ['__proto__ by a merge', 'a: &a {__proto__: {x: 1}}\nb: {<<: *a}\n', /^line 1: the key __proto__/],
  ['__proto__ by an alias as key', 'a: &a __proto__\n*a : 1\n', /^line 2: a key must be plain text/],
  ['10 MB', 'a: b\n'.repeat(2_100_000), /larger than 256 KB/],
  ['a repeated key', 'a: 1\nb: 2\na: 3\n', /^line 3: the key a is there twice/],
  ['a repeated key of another type', '1: a\n"1": b\n', /^line 2: the key 1 is there twice/],
  ['a tab as indentation', 'a:\n\tb: 1\n', /^line 2: Tabs are not allowed/],
  ['deep flow', '['.repeat(100_000), /nested too deep|within 1 s/],
  ['51 levels', `${'['.repeat(51)}${']'.repeat(51)}`, /^line 1: it is nested too deep/],
  [
    'deep blocks',
    Array.from({ length: 600 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    /^line \d+: it is nested too deep/,
  ],
  [
    'depth by aliases',
    `a: &a ${'['.repeat(30)}${']'.repeat(30)}\nb: ${'['.repeat(30)}*a${']'.repeat(30)}\n`,
    /^line 2: .*too deep/,
  ],
  ['an alias within itself', 'a: &a [1, *a]\n', /^line 1: \*a has no anchor before it/],
  [
    'an alias within itself, its anchor used before',
    'a: &a 1\nb: &a [1, *a]\n',
    /^line 2: an alias makes it nest too deep/,
  ],
  ['an alias to nothing', 'a: *nobody\n', /^line 1: \*nobody has no anchor before it/],
  ['a number JSON lacks', 'a: .inf\n', /Infinity is not a number/],
  ['a list as key', '[a, b]: 1\n', /^line 1: a key must be plain text/],
  ['two documents', 'a: 1\n---\nb: 2\n', /more than one document/],
  ['nothing', '# only words\n', /no content/],
  ['an error on line 3', 'a: 1\nb: 2\nc: "open\n', /^line \d: Missing closing "quote/],
  ['no text at all', Buffer.from([0xff, 0xfe, 0x00, 0x41]), /not UTF-8/],
])('%s is refused within a second', async (_, text, message) => {
  const { refused, tookMs } = await read(text)
  expect(refused).toMatch(message)
  expect(tookMs).toBeLessThan(1500)
})

test('words stay words, numbers are those of YAML 1.2, whatever version the file claims', async () => {
  for (const head of ['', '%YAML 1.1\n---\n'])
    expect(await read(`${head}on: yes\noff: NO\nmode: 0o17\nold: 017\nday: 2026-01-02\nnone: ~\n`)).toMatchObject({
      values: [{ on: 'yes', off: 'NO', mode: 15, old: 17, day: '2026-01-02', none: null }],
    })
})
test('a byte order mark is no part of the first key', async () => {
  expect((await read('\ufeffa: 1\n')).values).toEqual([{ a: 1 }])
  expect((await read(Buffer.from('\ufeffa: 1\n'))).values).toEqual([{ a: 1 }])
})
test('many documents are read in order, empty ones dropped', async () => {
  const text = '---\n# nothing\n---\na: 1\n---\n---\nb: 2\n...\n'
  expect((await read(text, { documents: 'many' })).values).toEqual([{ a: 1 }, { b: 2 }])
})
test('a few aliases are filled in, each as a copy of its own', async () => {
  const [value] = (await read('a: &a {x: [1]}\nb: *a\nc: *a\n')).values as [{ b: object; c: object }]
  expect(value).toEqual({ a: { x: [1] }, b: { x: [1] }, c: { x: [1] } })
  expect(value.b).not.toBe(value.c)
})
test('every path has its line, and a missing one the line of what is nearest above', async () => {
  const { documents } = await read('version: 1\ntest:\n  unit:\n    run:\n      - a\n      - b\n    timout: 1m\n')
  const lineOf = (path: (string | number)[]) => documents?.[0]?.placeOf(path)?.line
  expect(lineOf(['version'])).toBe(1)
  expect(lineOf(['test', 'unit', 'timout'])).toBe(7)
  expect(lineOf(['test', 'unit', 'run', 1])).toBe(6)
  expect(lineOf(['test', 'unit', 'image'])).toBe(3)
  expect(lineOf(['deploy'])).toBeUndefined()
  expect(documents?.[0]?.placeOf(['test', 'unit', 'timout'])).toMatchObject({ line: 7, column: 5 })
})
test('256 KB of distinct keys are read in time', async () => {
  const { values, tookMs } = await read(Array.from({ length: 24_000 }, (_, i) => `k${i}: 1`).join('\n'))
  expect(Object.keys(values?.[0] as object)).toHaveLength(24_000)
  expect(tookMs).toBeLessThan(1500)
})
test('what takes too long is ended, and the next file is read all the same', async () => {
  const slow = await read(`[${'a,'.repeat(100_000)}]`, { cpuMs: 5 })
  expect(slow.refused).toBe('it could not be read within 0.005 s of processor time.')
  expect((await read('a: 1')).values).toEqual([{ a: 1 }])
})
test('files that come at once are told apart', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, (_, i) => read(i % 3 === 0 ? 'a: [' : `n: ${i}`)))
  for (const [i, { refused, values }] of all.entries())
    if (i % 3 === 0) expect(refused).toMatch(/^line 1/)
    else expect(values).toEqual([{ n: i }])
})
test('whatever the text, the answer is a value or a sentence, and a value is what JSON can say', async () => {
  const piece = fc.constantFrom(
    'a',
    ': ',
    '- ',
    '\n',
    '  ',
    '&x ',
    '*x',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    '!!',
    '|',
    '---\n',
    '? ',
    '<<',
    '#',
    '\t',
    '%',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 40 }), async (parts) => {
      const { refused, values } = await read(parts.join(''), { documents: 'many' })
      if (refused === undefined)
        expect(JSON.parse(JSON.stringify(values))).toEqual(JSON.parse(JSON.stringify(structuredClone(values))))
    }),
    { numRuns: 500 },
  )
})
test('JSON is YAML, and comes back as it was', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.stringMatching(/^[a-z]{1,6}$/), fc.jsonValue({ maxDepth: 4 })), async (value) => {
      const text = JSON.stringify(value)
      fc.pre(!/__proto__|"constructor"|"prototype"|"<<"/.test(text))
      expect(done((await read(text)).values?.[0])).toEqual(done(JSON.parse(text)))
    }),
    { numRuns: 200 },
  )
})
