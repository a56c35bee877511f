import { createServer } from 'node:http'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Part, Readiness } from './lifecycle.ts'

/** Whether a process can do its work; undefined says yes. */
export type ReadinessCheck = () => Promise<Readiness | undefined>

/** What /readyz answers. */
export const readyText = ({ problem, notes = [] }: Readiness = {}): string =>
  `${[problem ?? 'ok', ...notes].join('\n')}\n`

/** Counters and gauges of this process, in the Prometheus text format. */
export function makeMetrics(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
}

/** Serves /livez, /readyz and /metrics for a process that has no HTTP of its own. */
export async function serveHealth(port: number, metrics: Registry, check: ReadinessCheck): Promise<Part> {
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: string) =>
      response.writeHead(status, { 'content-type': 'text/plain' }).end(body)
    if (request.url === '/livez') return answer(200, 'ok\n')
    if (request.url === '/metrics') return answer(200, await metrics.metrics())
    if (request.url !== '/readyz') return answer(404, 'not found\n')
    const readiness = await check()
    return answer(readiness?.problem ? 503 : 200, readyText(readiness))
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, resolve))
  return {
    name: 'health',
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
