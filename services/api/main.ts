import type { Config } from '@taxiway/chassis/config.ts'
import type { makeMetrics, ReadinessCheck } from '@taxiway/chassis/health.ts'
import type { Part } from '@taxiway/chassis/lifecycle.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import type { Store } from '@taxiway/store/store.ts'
import { makeApp } from './app.ts'

/** What the role is started with. */
export interface ApiContext {
  config: Config
  store: Store
  logger: Logger
  metrics: ReturnType<typeof makeMetrics>
  ready: ReadinessCheck
}

/** Starts the api role: listens, and prints the first admin token when it was made now. */
export async function startApi({ config, store, logger, metrics, ready }: ApiContext): Promise<Part> {
  const stopping = new AbortController()
  const app = await makeApp({
    store,
    logger,
    url: config.url,
    allowedOrigins: config.allowedOrigins,
    dataFolder: config.dataFolder,
    stopping: stopping.signal,
    metrics,
    ready,
  })
  const address = await app.listen({ port: config.port, host: config.bind })
  logger.info({ address, url: config.url }, 'api listens')
  return {
    name: 'api',
    async stop() {
      stopping.abort()
      const idle = setInterval(() => app.server.closeIdleConnections(), 50)
      await app.close().finally(() => clearInterval(idle))
    },
  }
}
