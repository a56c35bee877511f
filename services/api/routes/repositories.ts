import { randomBytes } from 'node:crypto'
import { Registration, Repository, RepositoryChange } from '@taxiway/domain/repository.ts'
import { parseRepositoryUrl } from '@taxiway/git-host/repository-url.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { sendOutcome } from '../errors.ts'
import { findRepository } from '../find.ts'

const Params = Type.Object({ id: Type.String() })
const Registered = Type.Object({
  id: Type.String(),
  name: Type.String(),
  webhook: Type.Object({ url: Type.String(), secret: Type.String({ description: 'Shown this once.' }) }),
})

/** Register, list, read, change and remove repositories. */
export function repositoryRoutes(app: Api, deps: ApiDeps): void {
  registerRoute(app, deps)
  readRoutes(app, deps)
  changeRoutes(app, deps)
}

function registerRoute(app: Api, { store, url, allowedOrigins }: ApiDeps): void {
  app.post(
    '/repos',
    {
      config: { scope: 'admin' },
      schema: { body: Registration, response: { 201: Registered }, tags: ['repos'], summary: 'Register a repository' },
    },
    async (request, reply) => {
      const { token, host, branches, tags, pullRequests, maxRuns, deploy = {}, apiUrl } = request.body
      const parsed = parseRepositoryUrl(request.body.url, { allowedOrigins, ...(apiUrl ? { apiUrl } : {}) })
      if (!parsed.ok) return sendOutcome(reply, parsed)
      const place = { host, name: parsed.value.fullName, url: parsed.value.cloneUrl }
      const id = await store.repositories.newId(place, store.random)
      const repository: Repository = {
        id,
        ...place,
        apiUrl: parsed.value.apiUrl,
        deploy,
        createdAt: store.now().toISOString(),
        ...(branches ? { branches } : {}),
        ...(tags ? { tags } : {}),
        ...(pullRequests ? { pullRequests } : {}),
        ...(maxRuns ? { maxRuns } : {}),
      }
      const webhookSecret = randomBytes(32).toString('hex')
      const added = await store.repositories.add(repository, { webhookSecret, ...(token ? { token } : {}) })
      if (!added.ok) return sendOutcome(reply, added)
      return reply
        .code(201)
        .send({ id, name: repository.name, webhook: { url: `${url}/webhooks/${host}/${id}`, secret: webhookSecret } })
    },
  )
}

function readRoutes(app: Api, { store }: ApiDeps): void {
  app.get(
    '/repos',
    {
      config: { scope: 'read' },
      schema: {
        response: { 200: Type.Object({ items: Type.Array(Repository), next: Type.Optional(Type.String()) }) },
        tags: ['repos'],
        summary: 'List repositories',
      },
    },
    async () => ({
      items: await store.repositories.list(),
    }),
  )

  app.get(
    '/repos/:id',
    {
      config: { scope: 'read' },
      schema: { params: Params, response: { 200: Repository }, tags: ['repos'], summary: 'Read a repository' },
    },
    async (request, reply) => sendOutcome(reply, await findRepository(store, request.params.id)),
  )
}

function changeRoutes(app: Api, { store, allowedOrigins }: ApiDeps): void {
  app.patch(
    '/repos/:id',
    {
      config: { scope: 'admin' },
      schema: {
        params: Params,
        body: RepositoryChange,
        response: { 200: Repository },
        tags: ['repos'],
        summary: 'Change a repository',
      },
    },
    async (request, reply) => {
      const found = await findRepository(store, request.params.id)
      if (!found.ok) return sendOutcome(reply, found)
      const { token, apiUrl, url = found.value.url, ...change } = request.body
      const isElsewhere = !URL.canParse(url) || new URL(url).origin !== new URL(found.value.url).origin
      // Another server has another API, unless that is told.
      const api = apiUrl ?? (isElsewhere ? undefined : found.value.apiUrl)
      const parsed = parseRepositoryUrl(url, { allowedOrigins, ...(api === undefined ? {} : { apiUrl: api }) })
      if (!parsed.ok) return sendOutcome(reply, parsed)
      const place = { name: parsed.value.fullName, url: parsed.value.cloneUrl, apiUrl: parsed.value.apiUrl }
      const isMoved = place.url !== found.value.url
      const moved = isMoved ? await store.repositories.move(found.value.id, place) : found
      if (!moved.ok) return sendOutcome(reply, moved)
      const changed = { ...moved.value, ...change, apiUrl: place.apiUrl }
      await store.repositories.change(changed, token ? { token } : {})
      return reply.send(changed)
    },
  )

  app.delete(
    '/repos/:id',
    {
      config: { scope: 'admin' },
      schema: { params: Params, response: { 204: Type.Null() }, tags: ['repos'], summary: 'Remove a repository' },
    },
    async (request, reply) => {
      const found = await findRepository(store, request.params.id)
      if (!found.ok) return sendOutcome(reply, found)
      await store.repositories.remove(found.value)
      return reply.code(204).send(null)
    },
  )
}
