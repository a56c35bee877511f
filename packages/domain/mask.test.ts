import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeMask } from './mask.ts'

test('a secret never shows, wherever the text is cut', () => {
  const secret = 'hunter2-hunter2'
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant(secret), fc.string()), { maxLength: 8 }),
      fc.integer({ min: 1, max: 9 }),
      (parts, size) => {
        const text = parts.join('')
        const mask = makeMask([secret])
        let shown = ''
        for (let at = 0; at < text.length; at += size) shown += mask.push(text.slice(at, at + size))
        expect(shown + mask.end()).toBe(text.replaceAll(secret, '***'))
      },
    ),
  )
})
test.each([
  (s: string) => Buffer.from(s).toString('base64'),
  (s: string) => Buffer.from(s).toString('hex'),
  encodeURIComponent,
])('the usual encodings are hidden as well', (encode) => {
  const mask = makeMask(['p@ss word/123'])
  expect(mask.push(`x ${encode('p@ss word/123')} y`) + mask.end()).toBe('x *** y')
})
