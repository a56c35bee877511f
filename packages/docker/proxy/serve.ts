import { mkdir } from 'node:fs/promises'
import type { Engine } from '../engine/engine.ts'
import { openState } from '../release/state.ts'
import { serveControl } from './control.ts'
import { makeRoutes } from './routes.ts'

/** The proxy of a data folder's docker target. */
export interface ServingProxy {
  /** Resolves when it serves; before that, another one does and it stands by. */
  begun: Promise<void>
  stop(): Promise<void>
}

/**
 * Leads requests to what the docker target of a data folder has live, for as long as it runs. It reads the record and asks the
 * engine; it needs neither the deployer nor Redis, and stands by while another proxy serves the folder.
 */
export function serveProxy({
  engine,
  folder,
  host = '127.0.0.1',
}: {
  engine: Engine
  folder: string
  host?: string
}): ServingProxy {
  const stopping = new AbortController()
  const routes = makeRoutes({ engine, state: openState(folder), host })
  const control = mkdir(folder, { recursive: true }).then(() => serveControl(folder, routes, stopping.signal))
  const begun = control.then(() => routes.begin())
  begun.catch(() => undefined)
  return {
    begun,
    async stop() {
      stopping.abort(new Error('the proxy ends'))
      await (await control.catch(() => undefined))?.close()
      await routes.close()
    },
  }
}
