import { done, type Outcome } from '@taxiway/domain/reason.ts'

/** What is done, and what must have been done before. */
export interface Job {
  name: string
  /** What others call it who need it, with all that have the same: its name, if it has no other. */
  key?: string
  /** Keys of jobs that stand before this one; one that nobody has holds nobody up. */
  needs?: readonly string[]
}
export interface Work<J extends Job> {
  atOnce: number
  signal: AbortSignal
  /** @returns whether what needs it may begin; a refusal, like a fault, ends all others by their signal */
  run(job: J, signal: AbortSignal): Promise<Outcome<boolean>>
  /** The job is left out: `need` did not pass, or was left out itself. */
  skip(job: J, need: string): Promise<void>
}

const keyOf = (job: Job): string => job.key ?? job.name

/**
 * Does jobs side by side, at most `atOnce` at a time and each once all that it needs have passed.
 * @returns the first refusal, when those that ran have come to their end
 * @throws the first fault, or the signal's reason
 */
export async function inOrder<J extends Job>(
  jobs: readonly J[],
  { atOnce, signal, run, skip }: Work<J>,
): Promise<Outcome<void>> {
  const waiting = new Set(jobs)
  const running = new Map<J, Promise<void>>()
  const notPassed = new Set<string>()
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  let first: { refusal: Outcome<never> } | { fault: unknown } | undefined

  const isOpen = (key: string) => [...waiting, ...running.keys()].some((job) => keyOf(job) === key)
  const begin = (job: J) => {
    const ended = run(job, both)
      .then((outcome) => {
        if (!outcome.ok) first ??= { refusal: outcome }
        else if (!outcome.value) notPassed.add(keyOf(job))
      })
      .catch((fault: unknown) => {
        first ??= { fault }
      })
      .then(() => {
        running.delete(job)
        if (first) stop.abort(new Error('another one ended this'))
      })
    running.set(job, ended)
  }
  for (;;) {
    for (const job of waiting) {
      const failed = job.needs?.find((need) => notPassed.has(need))
      if (both.aborted) waiting.clear()
      else if (failed !== undefined) {
        waiting.delete(job)
        notPassed.add(keyOf(job))
        await skip(job, failed)
      } else if (!job.needs?.some(isOpen) && running.size < atOnce) {
        waiting.delete(job)
        begin(job)
      }
    }
    if (running.size === 0) break
    await Promise.race(running.values())
  }
  signal.throwIfAborted()
  if (first && 'fault' in first) throw first.fault
  if (first) return first.refusal
  const [stuck] = waiting
  if (stuck) throw new Error(`nothing comes before ${stuck.name}, which waits`)
  return done(undefined)
}
