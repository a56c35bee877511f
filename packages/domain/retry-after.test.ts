import { expect, test } from 'vitest'
import { retryAfterIn, retryAfterMs } from './retry-after.ts'

const now = Date.parse('Wed, 21 Oct 2026 07:28:00 GMT')
test.each([
  ['5', 5000],
  [' 120 ', 120_000],
  ['Wed, 21 Oct 2026 07:28:30 GMT', 30_000],
  ['Wed, 21 Oct 2026 07:27:30 GMT', 0],
  ['', undefined],
  ['soon', undefined],
])('Retry-After: %s', (value, expected) => {
  expect(retryAfterMs(value, now)).toBe(expected)
})

test.each([
  ['toomanyrequests: retry-after: 452.651µs, allowed: 44000/minute', 1],
  ['429 Too Many Requests - Server message: toomanyrequests: Retry-After: 1m30.5s', 90_500],
  ['retry-after: 20, allowed: 3', 20_000],
  ['retry-after: 1h2m, allowed: 3', 3_720_000],
  ['toomanyrequests: You have reached your pull rate limit', undefined],
  ['retry-after: soon', undefined],
])('%s', (words, expected) => {
  expect(retryAfterIn(words)).toBe(expected)
})
