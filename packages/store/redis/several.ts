import type { Redis } from './connection.ts'
import { loadScript, type Script } from './script.ts'

/** Connections beside the first. */
const moreLanes = 3

/**
 * One script over several connections, in turn. Redis reads about 16 kB of a connection at a time and writes to disk what it
 * has read before it reads on: two webhooks of usual size over one connection, eight over four, and each write costs the same.
 * The further connections are opened with the first call, and used while they are up.
 */
export function makeLanes(redis: Redis, file: URL): { call: Script; close(): void } {
  const first = loadScript(redis, file)
  let more: { redis: Redis; call: Script }[] | undefined
  let turn = 0
  const open = () =>
    Array.from({ length: moreLanes }, () => {
      const lane = redis.duplicate()
      lane.on('error', () => {})
      return { redis: lane, call: loadScript(lane, file) }
    })
  return {
    call(keys, args) {
      more ??= open()
      const lane = more[turn++ % (moreLanes + 1)]
      return (lane?.redis.status === 'ready' ? lane.call : first)(keys, args)
    },
    close() {
      for (const lane of more ?? []) lane.redis.disconnect()
    },
  }
}
