import { done, refuse } from '@taxiway/domain/reason.ts'
import { type Scope, scopes } from '@taxiway/store/access/tokens.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { sendOutcome } from '../errors.ts'

const ScopeWord = Type.Unsafe<Scope>(Type.Enum([...scopes]))
const TokenView = Type.Object({
  id: Type.String(),
  name: Type.String(),
  scope: ScopeWord,
  createdAt: Type.String(),
  expiresAt: Type.Optional(Type.String()),
})
const NewToken = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100 }),
    scope: ScopeWord,
    expiresAt: Type.Optional(Type.String({ format: 'date-time' })),
  },
  { additionalProperties: false },
)

/** Make, list and revoke API tokens. */
export function tokenRoutes(app: Api, { store }: ApiDeps): void {
  app.post(
    '/tokens',
    {
      config: { scope: 'admin' },
      schema: {
        body: NewToken,
        response: {
          201: Type.Object({ ...TokenView.properties, token: Type.String({ description: 'Shown this once.' }) }),
        },
        tags: ['tokens'],
        summary: 'Make a token',
      },
    },
    async (request, reply) => {
      const { record, token } = await store.tokens.create(request.body.name, request.body.scope, request.body.expiresAt)
      return reply.code(201).send({ ...record, token })
    },
  )
  app.get(
    '/tokens',
    {
      config: { scope: 'admin' },
      schema: {
        response: { 200: Type.Object({ items: Type.Array(TokenView) }) },
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
