import type { Part } from './lifecycle.ts'
import type { Logger } from './logger.ts'

export interface ReconcilerOptions {
  name: string
  everyMs: number
  logger: Logger
}

/** A loop that makes what is agree with what is wanted. */
export interface Reconciler extends Part {
  /** Runs a pass soon. */
  wake(): void
}

/**
 * Runs `reconcileOnce` at start, on `wake`, and every `everyMs`, never twice at a time. A pass that throws is told and
 * tried again after a pause that doubles up to 30 s, with jitter.
 */
export function startReconciler(
  reconcileOnce: (signal: AbortSignal) => Promise<void>,
  options: ReconcilerOptions,
): Reconciler {
  const stopped = new AbortController()
  let failures = 0
  let woken = false
  let wakeUp = () => {}
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      wakeUp = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  const loop = async () => {
    while (!stopped.signal.aborted) {
      woken = false
      try {
        await reconcileOnce(stopped.signal)
        failures = 0
      } catch (error) {
        failures += 1
        if (!stopped.signal.aborted)
          options.logger.warn({ err: error, loop: options.name, failures }, 'pass failed, will try again')
      }
      const backoffMs = Math.min(30_000, 250 * 2 ** failures) * (0.5 + Math.random() / 2)
      if (!woken && !stopped.signal.aborted)
        await pause(failures > 0 ? Math.min(backoffMs, options.everyMs * 4) : options.everyMs)
    }
  }
  const running = loop()
  return {
    name: options.name,
    wake() {
      woken = true
      wakeUp()
    },
    async stop() {
      stopped.abort()
      wakeUp()
      await running
    },
  }
}
