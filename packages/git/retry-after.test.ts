import { expect, test } from 'vitest'
import { retryAfterMs } from './retry-after.ts'

const now = Date.parse('Wed, 21 Oct 2026 07:28:00 GMT')
const trace = (...headers: string[]) =>
  ['HTTP/1.1 429 Too Many Requests', ...headers]
    .map((header) => `07:28:00.000001 http.c:756              <= Recv header: ${header}\n`)
    .join('')

test.each([
  ['seconds', trace('Retry-After: 5'), 5000],
  ['as HTTP/2 writes names', trace('retry-after: 120'), 120_000],
  ['a date', trace('Retry-After: Wed, 21 Oct 2026 07:28:30 GMT'), 30_000],
  ['a date that is over', trace('Retry-After: Wed, 21 Oct 2026 07:27:30 GMT'), undefined],
  ['the last answer', trace('Retry-After: 5') + trace('Retry-After: 7'), 7000],
  ['nothing', trace('Content-Type: text/plain'), undefined],
  ['nonsense', trace('Retry-After: soon'), undefined],
])('Retry-After: %s', (_what, text, expected) => {
  expect(retryAfterMs(text, now)).toBe(expected)
})
