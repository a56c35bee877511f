import { retryAfterMs } from '@taxiway/domain/retry-after.ts'

const longestMs = 3_600_000

/**
 * The pause a host asks for, in milliseconds, an hour at most: Retry-After in seconds or as a date (RFC 9110, 10.2.3), or the
 * reset of an exhausted limit (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api). Undefined when it asks for none.
 */
export function pauseOf(headers: Headers, nowMs: number): number | undefined {
  const afterMs = retryAfterMs(headers.get('retry-after') ?? '', nowMs)
  if (afterMs !== undefined) return Math.min(afterMs, longestMs)
  const reset = headers.get('x-ratelimit-reset') ?? ''
  if (headers.get('x-ratelimit-remaining') === '0' && /^\d+$/.test(reset))
    return Math.min(Math.max(Number(reset) * 1000 - nowMs, 1000), longestMs)
  return undefined
}
