import { readyText } from '@taxiway/chassis/health.ts'
import type { Api, ApiDeps } from '../api.ts'

/** /livez: the process runs. /readyz: it can do its work. /metrics: for Prometheus. */
export function healthRoutes(app: Api, { metrics, ready }: Pick<ApiDeps, 'metrics' | 'ready'>): void {
  const options = { config: { scope: 'public' as const }, schema: { hide: true } }
  app.get('/livez', options, async (_request, reply) => reply.type('text/plain').send('ok\n'))
  app.get('/readyz', options, async (_request, reply) => {
    const readiness = await ready()
    return reply
      .code(readiness?.problem ? 503 : 200)
      .type('text/plain')
      .send(readyText(readiness))
  })
  app.get('/metrics', options, async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()))
}
