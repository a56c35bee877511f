import { done, refuse } from '@taxiway/domain/reason.ts'
import { shortestHidden } from '@taxiway/domain/secrets/forms.ts'
import { longestSecretBytes } from '@taxiway/store/access/repository-secrets.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { sendOutcome } from '../errors.ts'
import { findRepository } from '../find.ts'

const Id = Type.String()
const Params = Type.Object({
  id: Id,
  name: Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,99}$', description: 'Letters, digits and _.' }),
})
const SecretView = Type.Object({ name: Type.String(), updatedAt: Type.String({ format: 'date-time' }) })
const Body = Type.Object(
  { value: Type.String({ minLength: 1, maxLength: longestSecretBytes, description: 'Never shown again.' }) },
  { additionalProperties: false },
)
const Warning = Type.Object({ warning: Type.String() })

/** Write, list and remove the secrets of a repository. Values go in and never come out. */
export function secretRoutes(app: Api, { store }: ApiDeps): void {
  app.put(
    '/repos/:id/secrets/:name',
    {
      config: { scope: 'admin' },
      schema: {
        params: Params,
        body: Body,
        response: { 200: Warning, 204: Type.Null() },
        tags: ['secrets'],
        summary: 'Write a secret',
      },
    },
    async (request, reply) => {
      const { name } = request.params
      const { value } = request.body
      const found = await findRepository(store, request.params.id)
      if (!found.ok) return sendOutcome(reply, found)
      if (Buffer.byteLength(value) > longestSecretBytes)
        return sendOutcome(reply, refuse('input_invalid', { detail: 'the value is larger than 64 KiB' }))
      const set = await store.repositorySecrets.set(found.value.id, name, value)
      if (!set.ok) return sendOutcome(reply, set)
      if (value.trim().length >= shortestHidden) return reply.code(204).send(null)
      const warning = `${name} is shorter than ${shortestHidden} characters, so it can't be hidden in logs.`
      return reply.code(200).send({ warning })
    },
  )
  app.get(
    '/repos/:id/secrets',
    {
      config: { scope: 'read' },
      schema: {
        params: Type.Object({ id: Id }),
        response: { 200: Type.Object({ items: Type.Array(SecretView) }) },
        tags: ['secrets'],
        summary: 'List the names of secrets',
      },
    },
    async (request, reply) => {
      const found = await findRepository(store, request.params.id)
      if (!found.ok) return sendOutcome(reply, found)
      return reply.send({ items: await store.repositorySecrets.names(found.value.id) })
    },
  )
  app.delete(
    '/repos/:id/secrets/:name',
    {
      config: { scope: 'admin' },
      schema: { params: Params, response: { 204: Type.Null() }, tags: ['secrets'], summary: 'Remove a secret' },
    },
    async (request, reply) => {
      const found = await findRepository(store, request.params.id)
      if (!found.ok) return sendOutcome(reply, found)
      const removed = await store.repositorySecrets.remove(found.value.id, request.params.name)
      return sendOutcome(reply, removed ? done(null) : refuse('not_found', { what: 'secret' }), 204)
    },
  )
}
