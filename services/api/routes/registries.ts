import { done, refuse } from '@taxiway/domain/reason.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { sendOutcome } from '../errors.ts'

const hostPattern =
  '^(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*(:\\d{1,5})?$'
const Params = Type.Object({ host: Type.String({ pattern: hostPattern, description: 'host or host:port' }) })
const Body = Type.Object(
  {
    user: Type.String({ minLength: 1, maxLength: 255, pattern: '^[^:\\x00-\\x1f]+$' }),
    password: Type.String({ minLength: 1, maxLength: 8192, description: 'Never shown again.' }),
  },
  { additionalProperties: false },
)
const RegistryView = Type.Object({
  host: Type.String(),
  user: Type.String(),
  updatedAt: Type.String({ format: 'date-time' }),
})

/** Write, list and remove the credentials that builders, the docker target and the nodes of clusters show to registries. */
export function registryRoutes(app: Api, { store }: ApiDeps): void {
  app.get(
    '/registries',
    {
      config: { scope: 'admin' },
      schema: {
        response: { 200: Type.Object({ items: Type.Array(RegistryView) }) },
        tags: ['registries'],
        summary: 'List registries with credentials',
      },
    },
    async () => ({ items: await store.registries.list() }),
  )
  app.put(
    '/registries/:host',
    {
      config: { scope: 'admin' },
      schema: {
        params: Params,
        body: Body,
        response: { 204: Type.Null() },
        tags: ['registries'],
        summary: 'Write the credentials for a registry',
      },
    },
    async (request, reply) => {
      await store.registries.set({ host: request.params.host, ...request.body })
      return reply.code(204).send(null)
    },
  )
  app.delete(
    '/registries/:host',
    {
      config: { scope: 'admin' },
      schema: {
        params: Params,
        response: { 204: Type.Null() },
        tags: ['registries'],
        summary: 'Remove the credentials for a registry',
      },
    },
    async (request, reply) => {
      const removed = await store.registries.remove(request.params.host)
      return sendOutcome(reply, removed ? done(null) : refuse('not_found', { what: 'registry' }), 204)
    },
  )
}
