import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { verifySignature } from './signature.ts'

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

test('how long a refusal takes does not tell how much of the signature was right', () => {
  const secret = 'the secret of the repository'
  const flip = (digit: string | undefined) => (digit === 'f' ? '0' : 'f')
  const sample = (round: number) => {
    // Where the strings lie in memory has a time of its own, so each round has new ones.
    const raw = Buffer.from(`a body, ${round}`)
    const right = createHmac('sha256', secret).update(raw).digest('hex')
    // All but the last digit is right, or none is.
    const signatures = {
      near: `sha256=${right.slice(0, -1)}${flip(right.at(-1))}`,
      far: `sha256=${[...right].map(flip).join('')}`,
    }
    const times = { near: [] as number[], far: [] as number[] }
    for (let index = 0; index < 20_000; index++)
      for (const name of index % 2 ? (['near', 'far'] as const) : (['far', 'near'] as const)) {
        const startedNs = process.hrtime.bigint()
        if (verifySignature(raw, signatures[name], [secret])) throw new Error('a wrong signature was taken')
        times[name].push(Number(process.hrtime.bigint() - startedNs))
      }
    return welch(times.near, times.far)
  }
  // |t| above 2.58 has p < 0.01. A busy machine gets there now and then, on either side; a comparison that tells something
  // always does, and always on the same side.
  const first = sample(1)
  let rounds = 1
  while (Math.abs(first) >= 2.58 && rounds < 12) {
    const next = sample(rounds + 1)
    if (Math.abs(next) < 2.58 || Math.sign(next) !== Math.sign(first)) break
    rounds += 1
  }
  expect(rounds).toBeLessThan(12)
})

/** Welch's t of two samples without their slowest tenth, which is the machine's own noise. */
function welch(a: number[], b: number[]): number {
  const moments = (all: number[]) => {
    const kept = all.toSorted((x, y) => x - y).slice(0, Math.floor(all.length * 0.9))
    const mean = kept.reduce((sum, one) => sum + one, 0) / kept.length
    const variance = kept.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (kept.length - 1)
    return { mean, share: variance / kept.length }
  }
  const [one, other] = [moments(a), moments(b)]
  return (one.mean - other.mean) / Math.sqrt(one.share + other.share)
}
