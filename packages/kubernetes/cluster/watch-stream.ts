import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from './call.ts'

const reopenAfterMs = 500
const settleMs = 20
/** The server ends a watch after this long; it is opened again then. */
const watchForSeconds = 290

/** Rings when something changed. */
export interface Bell {
  /** Resolves at the next ring (at once when it rang since the last call), or after `forMs`. */
  rung(forMs: number): Promise<void>
  close(): void
}

/** Path of a collection -> which of its objects, as a label selector; all, when it is empty. */
export type Watched = Readonly<Record<string, string>>

/**
 * Watches collections of the API, only to know when to look again. A watch that breaks, ends or is refused (410 Gone
 * included) is opened anew without a resource version, and rings: so no change is ever waited for in vain.
 */
export function openBell(cluster: Pick<Cluster, 'follow'>, watched: Watched, signal: AbortSignal): Bell {
  const closed = new AbortController()
  const ended = AbortSignal.any([closed.signal, signal])
  let pending = false
  let wake = () => {}
  const ring = () => {
    pending = true
    wake()
  }
  ended.addEventListener('abort', ring, { once: true })
  for (const [path, labelSelector] of Object.entries(watched)) void listen(cluster, path, labelSelector, ring, ended)
  return {
    async rung(forMs) {
      if (!pending) {
        const { promise, resolve } = Promise.withResolvers<void>()
        const timer = setTimeout(resolve, forMs)
        wake = resolve
        await promise
        clearTimeout(timer)
      }
      // Changes come in bursts; one look serves them all.
      if (pending) await sleep(settleMs)
      pending = false
    },
    close: () => closed.abort(),
  }
}

async function listen(
  cluster: Pick<Cluster, 'follow'>,
  path: string,
  labelSelector: string,
  ring: () => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const query = { ...(labelSelector ? { labelSelector } : {}), timeoutSeconds: String(watchForSeconds) }
    const answer = await cluster.follow(path, query, signal)
    try {
      for await (const _ of answer ?? []) ring()
    } catch {
      // Broken off: opened again below.
    }
    ring()
    await sleep(reopenAfterMs, undefined, { signal }).catch(() => undefined)
  }
}
