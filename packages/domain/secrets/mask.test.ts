import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hideSecrets, makeMask } from './mask.ts'

/** Shows the text in pieces of the given sizes, again and again. */
function masked(secrets: readonly string[], text: string, sizes: readonly number[] = [text.length]): string {
  const mask = makeMask(secrets)
  let shown = ''
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1)
    shown += mask.push(text.slice(at, at + size))
    at += size
  }
  return shown + mask.end()
}
const wrap = (text: string, width: number) => text.replace(new RegExp(`.{${width}}`, 'g'), '$&\n')
const base64 = (text: string) => Buffer.from(text).toString('base64')
const hex = (text: string) => Buffer.from(text).toString('hex')
const forms: Record<string, (secret: string) => string> = {
  raw: (s) => s,
  'URL-encoded': encodeURIComponent,
  'form-encoded': (s) => new URLSearchParams({ s }).toString().slice(2),
  JSON: (s) => JSON.stringify(s).slice(1, -1),
  'in single quotes': (s) => s.replaceAll("'", "'\\''"),
  'in double quotes': (s) => s.replace(/["$`\\]/g, '\\$&'),
  XML: (s) => s.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'),
  base64,
  'base64, unpadded': (s) => base64(s).replace(/=+$/, ''),
  'base64 at 2': (s) => base64(`x${s}`).slice(2),
  'base64 at 3': (s) => base64(`xy${s}`).slice(3),
  'base64 in lines': (s) => wrap(base64(s), 76),
  'base64 at 3 in short lines': (s) => wrap(base64(`xy${s}`), 64).slice(3),
  base64url: (s) => Buffer.from(s).toString('base64url'),
  hex,
  'upper-case hex': (s) => hex(s).toUpperCase(),
  'bytes as od writes them': (s) => wrap(hex(s).replace(/../g, ' $&'), 48).trim(),
}
const secretValue = fc.string({ minLength: 6, maxLength: 120, unit: fc.constantFrom(...'abzAZ09+/=&<>"\'$`\\ é€%:@') })

test.each(Object.keys(forms))('hidden however the text is cut: %s', (name) => {
  const form = forms[name] as (secret: string) => string
  fc.assert(
    fc.property(
      secretValue.filter((secret) => secret.trim().length >= 6),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
      (secret, sizes) => {
        const text = `before ${form(secret)}\nafter`
        const shown = masked([secret], text, sizes)
        expect(shown).toContain('***')
        expect(shown.startsWith('before ')).toBe(true)
        // Nothing of it is left but what its neighbours decide.
        expect(shown.replaceAll('***', '').length).toBeLessThanOrEqual('before \nafter'.length + 5)
      },
    ),
    { numRuns: 60 },
  )
})

test('text without secrets comes out unchanged, and cuts change nothing', () => {
  const secrets = ['hunter2-hunter2', 'correct horse battery', 'line one of it\nline two of it']
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('hunter2-', 'correct ', base64('hunter2').slice(0, 6), '\n', '68 75'),
  )
  fc.assert(
    fc.property(
      fc.array(fc.oneof(piece, fc.constantFrom(...secrets, hex(secrets[0] as string))), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
      (pieces, sizes) => {
        const text = pieces.join('')
        const whole = masked(secrets, text)
        expect(masked(secrets, text, sizes)).toBe(whole)
        for (const secret of secrets) expect(whole).not.toContain(secret)
      },
    ),
  )
  fc.assert(
    fc.property(fc.array(piece), fc.integer({ min: 1, max: 9 }), (pieces, size) => {
      const text = pieces.join(' ')
      fc.pre(!secrets.some((secret) => text.includes(secret)))
      expect(masked(secrets, text, [size])).toBe(text)
    }),
  )
})

test('every line of a value is hidden, and short values are not', () => {
  const key = '-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\n-----END KEY-----\n'
  expect(masked([key], 'a kqhkiG9w0BAQ b MIIEvQIBADANBg\r\n')).toBe('a *** b ***\r\n')
  expect(masked(['abcde'], 'abcde')).toBe('abcde')
})

test('a value with backslashes is hidden however they are read, and in parts', () => {
  const value = String.raw`pa$$w0rd\nrest-of-it\x41\0101tail-end\cafter-it`
  const readings = [
    value,
    'pa$$w0rd\nrest-of-itAAtail-end',
    'pa$$w0rdnrest-of-itx410101tail-endcafter-it',
    String.raw`pa$$w0rd\\nrest-of-it`,
    'pa$$w0rd',
    'rest-of-it',
  ]
  for (const reading of readings) {
    const shown = hideSecrets([value], `before ${reading} after`)
    expect(shown).not.toMatch(/w0rd|rest-of|tail-end|after-it/)
  }
  expect(hideSecrets(['trailing-backslash\\'], 'trailing-backslash')).not.toContain('trailing')
})

test('what overlaps is hidden as one; neighbours are not', () => {
  expect(masked(['abcdefgh', 'efghijkl'], 'xabcdefghijkly')).toBe('x***y')
  expect(masked(['aaaaaa'], `${'a'.repeat(1000)} b`, [7])).toBe('*** b')
  expect(masked(['secret-one'], 'secret-onesecret-one')).toBe('******')
})

test('a line is shown at once, though its end could begin an encoding', () => {
  const mask = makeMask(['hunter2-hunter2'])
  expect(mask.push('ends with a\n')).toBe('ends with a\n')
})

test('a secret that an ellipsis cut off is hidden in reasons', () => {
  expect(hideSecrets(['hunter2-hunter2'], 'failed: hunter2-hun….')).toBe('failed: ***….')
  expect(hideSecrets(['hunter2-hunter2'], 'failed: hunter2-hunter2.')).toBe('failed: ***.')
  expect(hideSecrets(['hunter2-hunter2'], 'failed: hu….')).toBe('failed: hu….')
})
