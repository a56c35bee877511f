import type { Logger } from './logger.ts'

/** What keeps a part from its work, if anything does, and what else people should know of it. */
export interface Readiness {
  problem?: string | undefined
  notes?: string[]
}

/** What a role starts and, in reverse order, stops. */
export interface Part {
  name: string
  /** Whether it can do its work. */
  readiness?(): Readiness
  stop(): Promise<void>
}

/**
 * Stops all parts on SIGTERM or SIGINT, last started first, then exits 0. A second signal, or the grace running out,
 * exits 1 at once: what was held is taken up again by others when its lease ends.
 */
export function stopOnSignals(parts: Part[], logger: Logger, graceMs: number): void {
  let stopping = false
  const stop = async (signal: string) => {
    if (stopping) process.exit(1)
    stopping = true
    logger.info({ signal }, 'stopping')
    setTimeout(() => process.exit(1), graceMs).unref()
    await stopAll(parts, logger)
    process.exit(0)
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

/** Stops all parts, last started first; one that fails is told and does not keep the others. */
export async function stopAll(parts: Part[], logger: Logger): Promise<void> {
  for (const part of parts.toReversed()) {
    try {
      await part.stop()
    } catch (error) {
      logger.error({ err: error, part: part.name }, 'did not stop cleanly')
    }
  }
}
