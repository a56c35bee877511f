import { callDeadlineMs, within } from './engine.ts'

/** A limit that a container or a build step met, for people: `10240 MB of disk`. */
export interface MetLimit {
  what: string
  limit: string
}

/** Where every fork fails, now and then one process has just gone. */
export const nearly = (limit: number): number => Math.floor(limit * 0.95)

/** Looks again and again, one look at a time, until the signal; a look that fails is made again. */
export function repeat(everyMs: number, signal: AbortSignal, look: () => Promise<void>): void {
  if (signal.aborted) return
  const timer = setTimeout(async () => {
    await within(callDeadlineMs, signal, look).catch(() => undefined)
    repeat(everyMs, signal, look)
  }, everyMs)
  timer.unref()
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
}
