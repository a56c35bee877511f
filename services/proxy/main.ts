import type { Config } from '@taxiway/chassis/config.ts'
import type { Part } from '@taxiway/chassis/lifecycle.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { serveProxy } from '@taxiway/docker/proxy/serve.ts'

/**
 * Starts the proxy of the docker target: it leads requests to what is live on this machine, by the record that the deployer keeps in
 * the data folder and by what the engine says. It knows neither Redis nor a key, so it serves on while all else is away.
 * That it could not begin is a note: whoever has a cluster needs none.
 */
export function startProxy({ config, logger }: { config: Config; logger: Logger }): Part {
  const serving = serveProxy({ engine: connectEngine(config), folder: config.dataFolder })
  const notes: string[] = []
  serving.begun.then(
    () => logger.info({ folder: config.dataFolder }, 'the proxy serves'),
    (error) => {
      notes.push(`The proxy of the docker target could not begin: ${error.message}`)
      logger.error({ err: error }, 'the proxy could not begin')
    },
  )
  return { name: 'proxy', readiness: () => ({ notes }), stop: () => serving.stop() }
}
