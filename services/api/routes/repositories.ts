import { randomBytes } from 'node:crypto'
import type { RepositoryId } from '@taxiway/domain/ids.ts'
import { refuse } from '@taxiway/domain/reason.ts'
import { Registration, Repository, RepositoryChange } from '@taxiway/domain/repository.ts'
import { parseRepositoryUrl } from '@taxiway/git-host/repository-url.ts'
import type { Store } from '@taxiway/store/store.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { cancelRun } from '../cancel-run.ts'
import { sendOutcome } from '../errors.ts'
import { findRepository } from '../find.ts'
import { whatIsLive } from './environments/delete.ts'

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

/** What its environments run, but for previews, which go with it. */
async function liveOf(store: Store, id: RepositoryId): Promise<string[]> {
  const names = await store.environments.names(id)
  const previews = (await store.previews.list(id)).map(({ environment }) => environment)
  const live = await Promise.all(
    names.filter((name) => !previews.includes(name)).map((name) => whatIsLive(store, id, name)),
  )
  return live.filter((one) => one !== undefined)
}

async function cancelRuns(store: Store, repo: RepositoryId, who: string): Promise<void> {
  for (const { id } of await store.runs.open())
    if ((await store.runs.read(id))?.repo === repo) await cancelRun(store, id, who)
}

function changeRoutes(app: Api, { store, allowedOrigins, logger }: ApiDeps): void {
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
      schema: {
        params: Params,
        querystring: Type.Object({
          objects: Type.Optional(
            Type.Literal('keep', {
              description: 'What it runs is left running; delete its environments first if not.',
            }),
          ),
        }),
        response: { 204: Type.Null() },
        tags: ['repos'],
        summary: 'Remove a repository; its runs that are under way are cancelled',
      },
    },
    async (request, reply) => {
      const found = await findRepository(store, request.params.id)
      if (!found.ok) return sendOutcome(reply, found)
      const { id } = found.value
      const who = request.caller?.name ?? 'somebody'
      const live = request.query.objects === 'keep' ? [] : await liveOf(store, id)
      if (live.length > 0)
        return sendOutcome(reply, refuse('objects_undecided', { what: found.value.name, live: live.join('; ') }))
      await cancelRuns(store, id, `${who}, who removed the repository`)
      await store.repositories.remove(found.value)
      logger.info({ repo: id, name: found.value.name, who }, 'repository removed')
      return reply.code(204).send(null)
    },
  )
}
