import type { Outcome } from '@taxiway/domain/reason.ts'

/** What is made, and what must be made before. */
export interface Job {
  name: string
  /** Names of jobs that stand before this one. */
  after: readonly string[]
}

/**
 * Does jobs side by side, as far as they need not wait for each other and at most `atOnce` at a time. The first that is
 * refused, or fails, ends the others by their signal.
 * @returns what each job made, by name, or the first refusal
 * @throws the first fault, or the signal's reason
 */
export async function doInOrder<J extends Job, T>(
  jobs: readonly J[],
  { atOnce, signal }: { atOnce: number; signal: AbortSignal },
  work: (job: J, signal: AbortSignal) => Promise<Outcome<T>>,
): Promise<Outcome<Map<string, T>>> {
  const made = new Map<string, T>()
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const waiting = [...jobs]
  const running = new Set<Promise<void>>()
  let first: { refusal: Outcome<never> } | { fault: unknown } | undefined

  const begin = (job: J) => {
    const done = work(job, both)
      .then((outcome) => {
        if (outcome.ok) made.set(job.name, outcome.value)
        else first ??= { refusal: outcome }
      })
      .catch((fault: unknown) => {
        first ??= { fault }
      })
      .then(() => {
        running.delete(done)
        if (first) stop.abort(new Error('another image failed'))
      })
    running.add(done)
  }
  for (;;) {
    for (const job of waiting.slice()) {
      if (first || both.aborted || running.size >= atOnce) break
      if (!job.after.every((name) => made.has(name))) continue
      waiting.splice(waiting.indexOf(job), 1)
      begin(job)
    }
    if (running.size === 0) break
    await Promise.race(running)
  }
  signal.throwIfAborted()
  if (first && 'fault' in first) throw first.fault
  if (first) return first.refusal
  if (waiting.length > 0) throw new Error(`nothing makes what ${waiting[0]?.name} waits for`)
  return { ok: true, value: made }
}
