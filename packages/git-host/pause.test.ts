import { expect, test } from 'vitest'
import { pauseOf } from './pause.ts'

const now = Date.parse('2026-03-01T12:00:00Z')
const seconds = (after: number) => String(now / 1000 + after)

test.each([
  [{}, undefined],
  [{ 'retry-after': '7' }, 7000],
  [{ 'retry-after': '0' }, 0],
  [{ 'retry-after': 'Sun, 01 Mar 2026 12:00:30 GMT' }, 30_000],
  [{ 'retry-after': 'Sun, 01 Mar 2026 11:00:00 GMT' }, 0],
  [{ 'retry-after': '99999999999999999999' }, 3_600_000],
  [{ 'retry-after': 'soon' }, undefined],
  [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': seconds(90) }, 90_000],
  [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': seconds(-90) }, 1000],
  [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': seconds(90_000) }, 3_600_000],
  [{ 'x-ratelimit-remaining': '0' }, undefined],
  [{ 'x-ratelimit-remaining': '12', 'x-ratelimit-reset': seconds(90) }, undefined],
  [{ 'retry-after': '5', 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': seconds(90) }, 5000],
] as [Record<string, string>, number | undefined][])('%j asks for a pause of %s ms', (headers, ms) => {
  expect(pauseOf(new Headers(headers), now)).toBe(ms)
})
