/**
 * How long the git host asks not to be asked again (RFC 9110, Retry-After: seconds or a date), out of what git traced of its
 * answers; undefined when it says nothing.
 */
export function retryAfterMs(trace: string, nowMs: number): number | undefined {
  const value = [...trace.matchAll(/Recv header: retry-after:(.*)$/gim)].at(-1)?.[1]?.trim()
  if (!value) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs
  return Number.isFinite(ms) && ms > 0 ? ms : undefined
}
