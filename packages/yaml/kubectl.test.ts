import { refuse } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import { parseYaml } from './parse.ts'

const read = async (text: string) => {
  const refusal = (detail: string) => refuse('manifest_invalid', { object: 'a.yaml', detail })
  const parsed = await parseYaml(text, { refusal, documents: 'many', dialect: 'kubectl' })
  return parsed.ok ? parsed.value.documents.map(({ value }) => value) : parsed.reason.message
}

// What kubectl 1.32 sends for each of these words.
test.each<[string, unknown]>([
  ['0400', 256],
  ['0o400', 256],
  ['0_400', 256],
  ['-0400', -256],
  ['00', 0],
  ['0', 0],
  ['0x1F', 31],
  ['-0x1f', -31],
  ['0b101', 5],
  ['0800', 800],
  ['012e1', 120],
  ['1_000', 1000],
  ['+12', 12],
  ['1e3', 1000],
  ['.5', 0.5],
  ['1.', 1],
  ['0o8', '0o8'],
  ['12:30:45', '12:30:45'],
  ['2026-01-02', '2026-01-02'],
  ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z'],
  ['1.2.3', '1.2.3'],
  ['_1', '_1'],
  ['y', true],
  ['N', false],
  ['on', true],
  ['Off', false],
  ['YES', true],
  ['yEs', 'yEs'],
  ['~', null],
  ['Null', null],
  ['"0400"', '0400'],
  ["'yes'", 'yes'],
  ['!!str 0400', '0400'],
])('%s is read as kubectl reads it', async (word, value) => {
  expect(await read(`a: ${word}\n`)).toEqual([{ a: value }])
})

test('keys are what kubectl makes of them', async () => {
  expect(await read('on: a\n0x10: b\n1.5: c\n"0400": d\n')).toEqual([{ true: 'a', 16: 'b', 1.5: 'c', '0400': 'd' }])
  expect(await read('on: a\ntrue: b\n')).toMatch(/line 2: the key true is there twice/)
})

test('merge keys take over maps, in the order of kubectl', async () => {
  const text = `base: &b { x: 1, z: 3 }
before: { x: own, <<: *b }
after: { <<: *b, x: own }
list: { <<: [{ x: first }, { x: second, w: 1 }], v: 2 }
deep: { <<: { <<: *b, w: 2 } }
quoted: { "<<": 1 }
`
  expect(await read(text)).toEqual([
    {
      base: { x: 1, z: 3 },
      before: { x: 1, z: 3 },
      after: { x: 'own', z: 3 },
      list: { x: 'first', w: 1, v: 2 },
      deep: { x: 1, z: 3, w: 2 },
      quoted: { '<<': 1 },
    },
  ])
  expect(await read('a: 1\nb: { <<: 2 }\n')).toMatch(/<< takes maps only/)
  expect(await read('a: &a {x: 1}\nb: {<<: *a, <<: *a}\n')).toMatch(/the key << is there twice/)
})

test('merge keys multiply nothing', async () => {
  const doubling = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} {<<: [*a${i}, *a${i}]}`).join('\n')
  expect(await read(`a0: &a0 {x: 1}\n${doubling}\n`)).toMatch(/aliases|processor time/)
  const many = Array.from({ length: 600 }, (_, i) => `k${i}: {<<: *a}`).join('\n')
  expect(await read(`a: &a {x: 1}\n${many}\n`)).toMatch(/600 aliases, more than 500/)
  expect(await read('a: &a {<<: *a}\n')).toMatch(/\*a has no anchor before it/)
})

test('JSON is read, with tabs too', async () => {
  expect(await read('{"a":\n\t{"b": [1,\n\t"yes"]}}')).toEqual([{ a: { b: [1, 'yes'] } }])
})
