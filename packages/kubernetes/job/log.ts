import { setTimeout as sleep } from 'node:timers/promises'
import type { OnOutput } from '@taxiway/domain/environment/release.ts'
import type { Cluster } from '../cluster/call.ts'

export interface LogFollower {
  /** Reads from now on the log of this pod. Asked again, it changes nothing. */
  begin(pod: string): void
  /** Waits until all of it is read, but no longer than this. */
  rest(forMs: number): Promise<void>
  close(): void
}
const reopenAfterMs = 500
const tries = 20

/** Reads the log of one pod while it is written. A stream that breaks off is opened anew, and what was read is left out. */
export function followLog(cluster: Cluster, namespace: string, onOutput: OnOutput, signal: AbortSignal): LogFollower {
  const closed = new AbortController()
  const ended = AbortSignal.any([closed.signal, signal])
  let following: Promise<void> | undefined
  return {
    begin(pod) {
      following ??= follow(cluster, `/api/v1/namespaces/${namespace}/pods/${pod}/log`, onOutput, ended).catch(() => {})
    },
    async rest(forMs) {
      const timer = new AbortController()
      await Promise.race([following, sleep(forMs, undefined, { signal: timer.signal }).catch(() => {})])
      timer.abort()
    },
    close: () => closed.abort(),
  }
}

async function follow(cluster: Cluster, path: string, onOutput: OnOutput, signal: AbortSignal): Promise<void> {
  let seen = 0
  for (let tried = 0; tried < tries && !signal.aborted; tried++) {
    const stream = await cluster.follow(path, { follow: 'true' }, signal)
    let skip = seen
    try {
      for await (const chunk of (stream ?? []) as AsyncIterable<Buffer>) {
        const fresh = chunk.subarray(Math.min(skip, chunk.length))
        skip -= chunk.length - fresh.length
        seen += fresh.length
        if (fresh.length > 0) await onOutput(fresh)
      }
      // Its own end: the container has ended.
      if (stream?.complete) return
    } catch {
      // Broken off: opened again below.
    }
    await sleep(reopenAfterMs, undefined, { signal }).catch(() => undefined)
  }
}
