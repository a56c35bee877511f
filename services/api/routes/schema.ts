import { publishedSchema } from '@taxiway/domain/pipeline/published.ts'
import type { Api } from '../api.ts'

/** The JSON Schema of `.taxiway.yaml`, for editors: anybody may read it, from any page. */
export function schemaRoute(app: Api): void {
  const body = `${JSON.stringify(publishedSchema(), null, 2)}\n`
  app.get('/schema/v1.json', { config: { scope: 'public' }, schema: { hide: true } }, (_request, reply) =>
    reply
      .header('access-control-allow-origin', '*')
      .header('cache-control', 'public, max-age=300')
      .type('application/schema+json')
      .send(body),
  )
}
