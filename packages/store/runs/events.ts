import type { RunId } from '@taxiway/domain/ids.ts'
import type { RunEvent } from '@taxiway/domain/run/event.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'

/** One line of the event stream. */
export interface StreamedEvent {
  /** Stream id, rising; also the id of the server-sent event. */
  id: string
  run: RunId
  version: number
  event: RunEvent | { type: 'accepted' }
}

/**
 * Follows the event stream from after `from` (`$`: from now on) until aborted. Waits for Redis while it is away.
 * @param blocking a connection of its own: reads block on it
 */
export async function* followEvents(blocking: Redis, from: string, signal: AbortSignal): AsyncGenerator<StreamedEvent> {
  for await (const [id, fields] of followStream(blocking, keys.events, from, signal))
    yield { id, run: fields.run as RunId, version: Number(fields.version), event: JSON.parse(fields.event ?? '{}') }
}

/** Follows any stream, entry by entry. */
export async function* followStream(
  blocking: Redis,
  key: string,
  from: string,
  signal: AbortSignal,
): AsyncGenerator<[string, Record<string, string>]> {
  let last = from
  while (!signal.aborted) {
    const answer = await blocking
      .xread('COUNT', 200, 'BLOCK', 5000, 'STREAMS', key, last)
      .catch(async (error: unknown) => {
        if (signal.aborted) return null
        await new Promise((resolve) => setTimeout(resolve, 200))
        if (blocking.status === 'end') throw error
        return null
      })
    for (const [id, flat] of answer?.[0]?.[1] ?? []) {
      if (signal.aborted) return
      last = id
      const fields: Record<string, string> = {}
      for (let index = 0; index < flat.length; index += 2) fields[flat[index] ?? ''] = flat[index + 1] ?? ''
      yield [id, fields]
    }
  }
}
