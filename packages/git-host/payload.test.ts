import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parsePayload } from './payload.ts'

const read = (text: string | Buffer) => parsePayload(Buffer.from(text))
const nested = (levels: number) => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`

test.each([
  ['nothing', ''],
  ['half an object', '{"ref":'],
  ['a list', '[]'],
  ['null', 'null'],
  ['a text', '"ref"'],
  ['two objects', '{}{}'],
  ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00])],
  ['brackets the wrong way round', `${']'.repeat(1000)}${'['.repeat(1000)}`],
])('%s is refused', (_what, text) => {
  expect(read(text)).toMatchObject({ ok: false, reason: { code: 'body_invalid' } })
})

test.each([
  ['at the top', '{"__proto__":{"isAdmin":true}}'],
  ['far down', '{"a":[{"b":{"__proto__":1}}]}'],
  ['in escapes', '{"\\u005f_proto\\u005F_":{"isAdmin":true}}'],
  ['by the constructor', '{"a":{"constructor":{"prototype":{"isAdmin":true}}}}'],
  ['by the constructor in escapes', '{"\\u0063onstructor":{"\\u0070rototype":{}}}'],
])('a key that reaches into prototypes is refused %s', (_where, text) => {
  expect(read(text)).toMatchObject({ ok: false, reason: { code: 'body_invalid' } })
  expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
})

test('the same words as values, and a constructor that is only a name, are let through', () => {
  expect(read('{"message":"__proto__","constructor":"acme"}')).toEqual({
    ok: true,
    value: { message: '__proto__', constructor: 'acme' },
  })
})

test('64 levels are read, one more is not, and 100,000 cost no stack', () => {
  expect(read(nested(64)).ok).toBe(true)
  for (const levels of [65, 100_000])
    expect(read(nested(levels))).toMatchObject({ ok: false, reason: { message: expect.stringMatching(/64 levels/) } })
  expect(read('{"a":'.repeat(100_000)).ok).toBe(false)
})

test('brackets within strings are no levels', () => {
  expect(read(`{"message":${JSON.stringify(`\\"${'[{'.repeat(500)}`)}}`).ok).toBe(true)
})

test('whatever JSON says comes out as JSON says it', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 })), (value) => {
      const text = JSON.stringify(value)
      fc.pre(!/__proto__|constructor/.test(text))
      expect(read(text)).toEqual({ ok: true, value: JSON.parse(text) })
    }),
  )
})
