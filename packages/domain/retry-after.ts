/** How long another side asks not to be asked again (ms), from its Retry-After: seconds or a date (RFC 9110, 10.2.3); undefined when it says neither. */
export function retryAfterMs(value: string, nowMs: number): number | undefined {
  const text = value.trim()
  if (text === '') return undefined
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs
  return Number.isFinite(ms) ? Math.max(ms, 0) : undefined
}

const unitMs = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, µs: 0.001, us: 0.001, ns: 0.000_001 }

/**
 * The same from the words of a registry, as `toomanyrequests: retry-after: 1m30.5s, allowed: 44000/minute` of those whose answers an
 * engine passes on without their headers: seconds, or a duration as Go writes it.
 */
export function retryAfterIn(words: string): number | undefined {
  const [, seconds, duration = ''] =
    /retry-after:\s{0,9}(?:(\d{1,9})(?![\d.a-zµ])|((?:\d{1,9}(?:\.\d{1,9})?(?:h|ms|µs|us|ns|m|s)){1,6}))/i.exec(
      words,
    ) ?? []
  if (seconds !== undefined) return Number(seconds) * 1000
  const parts = [...duration.toLowerCase().matchAll(/([\d.]+)([a-zµ]+)/g)]
  if (parts.length === 0) return undefined
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * unitMs[unit as keyof typeof unitMs], 0)
  return Math.ceil(ms)
}
