import type { RunId } from '@taxiway/domain/ids.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'
import { followStream } from '../runs/events.ts'
import type { Fence } from '../runs/runs.ts'

/** A piece of a run's log: whole lines of one stage. */
export interface LogEntry {
  id: string
  stage: string
  attempt: number
  text: string
}

/** How long the log of a run is kept after its last line. */
const keptMs = 30 * 24 * 3_600_000

const entry = ([id, fields]: [string, Record<string, string>]): LogEntry => ({
  id,
  stage: fields.stage ?? '',
  attempt: Number(fields.attempt),
  text: fields.text ?? '',
})

/** Log streams of runs. */
export function makeLogs(redis: Redis) {
  const append = loadScript(redis, new URL('./append-log.lua', import.meta.url))
  return {
    /**
     * Appends whole lines. The same number of the same writer is written once, however often it is tried; it must grow
     * within a stage. @returns false when the writer's attempt is over
     */
    async append(id: RunId, fence: Fence, stage: string, text: string, number: number): Promise<boolean> {
      const written = await append(
        [keys.run(id), keys.log(id)],
        [`${fence.attempt}:${fence.holder}`, stage, text, fence.attempt, number],
      )
      return written !== null
    },

    /** Lets the log of an ended run expire. */
    expire: async (id: RunId): Promise<void> => void (await redis.pexpire(keys.log(id), keptMs)),

    /** The log so far, oldest first, from after entry `after`. */
    async *read(id: RunId, after = '-'): AsyncGenerator<LogEntry> {
      let from = after === '-' ? '-' : `(${after}`
      for (;;) {
        const page = await redis.xrange(keys.log(id), from, '+', 'COUNT', 200)
        for (const [entryId, flat] of page) {
          const fields: Record<string, string> = {}
          for (let index = 0; index < flat.length; index += 2) fields[flat[index] ?? ''] = flat[index + 1] ?? ''
          yield entry([entryId, fields])
          from = `(${entryId}`
        }
        if (page.length < 200) return
      }
    },

    /** The log as it grows, from after entry `after`, until aborted. @param blocking a connection of its own */
    async *follow(blocking: Redis, id: RunId, after: string, signal: AbortSignal): AsyncGenerator<LogEntry> {
      for await (const streamed of followStream(blocking, keys.log(id), after, signal)) yield entry(streamed)
    },
  }
}
