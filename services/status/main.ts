import type { Config } from '@taxiway/chassis/config.ts'
import type { Part } from '@taxiway/chassis/lifecycle.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import { startReconciler } from '@taxiway/chassis/reconciler.ts'
import { connectBlocking } from '@taxiway/store/redis/connection.ts'
import { followEvents } from '@taxiway/store/runs/events.ts'
import type { Store } from '@taxiway/store/store.ts'
import { makeReconcile } from './reconcile.ts'

/** Looks at all due runs at least this often, also when no event said so. */
const everyMs = 2000

/** Starts the status role: a reconciler, woken by the event stream. */
export async function startStatus({
  config,
  store,
  logger,
}: {
  config: Config
  store: Store
  logger: Logger
}): Promise<Part> {
  const stopping = new AbortController()
  const blocking = connectBlocking(config.redisUrl)
  const reconcile = makeReconcile({ store, url: config.url, logger, retryBaseMs: config.retryBaseMs })
  let timer: NodeJS.Timeout | undefined
  const loop = startReconciler(
    async (signal) => {
      const nextMs = await reconcile(signal)
      clearTimeout(timer)
      if (nextMs !== undefined && nextMs < everyMs) timer = setTimeout(() => loop.wake(), nextMs)
    },
    { name: 'status', everyMs, logger },
  )
  const follow = async () => {
    for await (const _ of followEvents(blocking, '$', stopping.signal)) loop.wake()
  }
  const following = follow().catch((error) => {
    if (!stopping.signal.aborted) logger.warn({ err: error }, 'event stream lost; statuses go on by the timer')
  })
  return {
    name: 'status',
    async stop() {
      stopping.abort()
      clearTimeout(timer)
      blocking.disconnect()
      await Promise.all([loop.stop(), following])
    },
  }
}
