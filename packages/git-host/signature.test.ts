import { createHmac, timingSafeEqual } from 'node:crypto'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { verifySignature } from './signature.ts'

// The real one, whose calls can be counted.
vi.mock('node:crypto', { spy: true })

// docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries: "Testing the webhook payload validation"
const secret = "It's a Secret to Everybody"
const raw = Buffer.from('Hello, World!')
const digest = '757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17'
const sign = (bytes: Uint8Array, key: string) => `sha256=${createHmac('sha256', key).update(bytes).digest('hex')}`

test("GitHub's documented example holds", () => {
  expect(verifySignature(raw, `sha256=${digest}`, [secret])).toBe(true)
})

test('while a secret is replaced, the old one and the new one both hold', () => {
  expect(verifySignature(raw, `sha256=${digest}`, ['new', secret])).toBe(true)
  expect(verifySignature(raw, `sha256=${digest}`, [secret, 'new'])).toBe(true)
})

test.each([
  ['no header', undefined],
  ['an empty header', ''],
  ['the bare digest', digest],
  ['another algorithm', `sha1=${digest}`],
  ['a digit too few', `sha256=${digest.slice(1)}`],
  ['a digit too many', `sha256=${digest}0`],
  ['a line after it', `sha256=${digest}\n`],
  ['a header sent twice', `sha256=${digest}, sha256=${digest}`],
  ['capitals', `sha256=${digest.toUpperCase()}`],
  ['64 characters that are no hex', `sha256=${'é'.repeat(64)}`],
  ['zeros', `sha256=${'0'.repeat(64)}`],
])('%s is no signature', (_what, signature) => {
  expect(verifySignature(raw, signature, [secret])).toBe(false)
})

test('no secret and another secret hold nothing', () => {
  expect(verifySignature(raw, `sha256=${digest}`, [])).toBe(false)
  expect(verifySignature(raw, `sha256=${digest}`, ['other'])).toBe(false)
})

test('any byte that differs is seen, also in bytes that are no text', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 64 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (bytes, at, flip) => {
        const given = Buffer.from(bytes)
        const signature = sign(given, secret)
        expect(verifySignature(given, signature, [secret])).toBe(true)
        given[at % given.length] = (given[at % given.length] as number) ^ flip
        expect(verifySignature(given, signature, [secret])).toBe(false)
      },
    ),
  )
})

test('every secret is compared in constant time with 32 bytes, however much of the signature is right', () => {
  const given = [`sha256=${digest.slice(0, -1)}6`, `sha256=${'0'.repeat(64)}`, 'sha256=', undefined]
  for (const signature of given) {
    vi.mocked(timingSafeEqual).mockClear()
    expect(verifySignature(raw, signature, ['another secret', secret])).toBe(false)
    const lengths = vi.mocked(timingSafeEqual).mock.calls.map(([one, other]) => [one.byteLength, other.byteLength])
    expect(lengths).toEqual([
      [32, 32],
      [32, 32],
    ])
  }
})
