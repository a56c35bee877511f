import { done, refuse } from '@taxiway/domain/reason.ts'
import { NewToken, Token } from '@taxiway/domain/token.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { sendOutcome } from '../errors.ts'

/** Make, list and revoke API tokens. */
export function tokenRoutes(app: Api, { store }: ApiDeps): void {
  app.post(
    '/tokens',
    {
      config: { scope: 'admin' },
      schema: {
        body: NewToken,
        response: {
          201: Type.Object({ ...Token.properties, token: Type.String({ description: 'Shown this once.' }) }),
        },
        tags: ['tokens'],
        summary: 'Make a token',
      },
    },
    async (request, reply) => {
      const { record, token } = await store.tokens.create(request.body)
      return reply.code(201).send({ ...record, token })
    },
  )
  app.get(
    '/tokens',
    {
      config: { scope: 'admin' },
      schema: {
        response: { 200: Type.Object({ items: Type.Array(Token) }) },
        tags: ['tokens'],
        summary: 'List tokens',
      },
    },
    async () => ({
      items: await store.tokens.list(),
    }),
  )
  app.delete(
    '/tokens/:id',
    {
      config: { scope: 'admin' },
      schema: {
        params: Type.Object({ id: Type.String() }),
        response: { 204: Type.Null() },
        tags: ['tokens'],
        summary: 'Revoke a token',
      },
    },
    async (request, reply) =>
      sendOutcome(
        reply,
        (await store.tokens.revoke(request.params.id)) ? done(null) : refuse('not_found', { what: 'token' }),
        204,
      ),
  )
}
