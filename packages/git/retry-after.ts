import { retryAfterMs as afterMs } from '@taxiway/domain/retry-after.ts'

/** How long the git host asks not to be asked again (ms), out of what git traced of its answers; undefined when it says nothing. */
export function retryAfterMs(trace: string, nowMs: number): number | undefined {
  const value = [...trace.matchAll(/Recv header: retry-after:(.*)$/gim)].at(-1)?.[1]
  return afterMs(value ?? '', nowMs) || undefined
}
