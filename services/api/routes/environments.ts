import { EnvironmentName, EnvironmentRules, EnvironmentView, ReleaseView } from '@taxiway/domain/environment.ts'
import { stateAt } from '@taxiway/domain/environment-state.ts'
import { parseRepositoryId, type RepositoryId, type RunId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Release } from '@taxiway/store/releases.ts'
import type { Store } from '@taxiway/store/store.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../app.ts'
import { sendOutcome } from '../errors.ts'
import { runUrl } from '../links.ts'

const OfRepository = Type.Object({ id: Type.String() })
const Params = Type.Object({ id: Type.String(), name: EnvironmentName })

/** The environments of a repository: what is live, what was before, and what admins rule. */
export function environmentRoutes(app: Api, deps: ApiDeps): void {
  readRoutes(app, deps)
  rulesRoute(app, deps)
}

/** The repository of that id. */
export async function findRepository({ repositories }: Store, id: string): Promise<Outcome<RepositoryId>> {
  const known = parseRepositoryId(id)
  return known && (await repositories.read(known)) ? done(known) : refuse('not_found', { what: 'repository' })
}

/** A release as the API answers it. */
export const viewRelease = (url: string, environment: string, release: Release) => {
  const { namespace, digests } = release.order as { namespace: string; digests: string[] }
  return {
    environment,
    ...release,
    namespace,
    images: digests,
    runUrl: runUrl(url, release.runId as RunId),
  }
}

async function viewEnvironment({ store, url }: ApiDeps, repo: RepositoryId, name: string) {
  const [rules, live, seen] = await Promise.all([
    store.environments.rules(repo, name),
    store.releases.live(repo, name),
    store.environmentStates.read({ repo, name }),
  ])
  return {
    name,
    rules,
    ...(live ? { live: viewRelease(url, name, live) } : {}),
    ...(live && seen ? { state: stateAt(seen, store.now().getTime()) } : {}),
  }
}

function readRoutes(app: Api, deps: ApiDeps): void {
  const { store, url } = deps
  app.get(
    '/repos/:id/environments',
    {
      config: { scope: 'read' },
      schema: {
        params: OfRepository,
        response: { 200: Type.Object({ items: Type.Array(EnvironmentView), next: Type.Optional(Type.String()) }) },
        tags: ['environments'],
        summary: 'List environments, and what is live in each',
      },
    },
    async (request, reply) => {
      const repo = await findRepository(store, request.params.id)
      if (!repo.ok) return sendOutcome(reply, repo)
      const names = await store.environments.names(repo.value)
      return reply.send({ items: await Promise.all(names.map((name) => viewEnvironment(deps, repo.value, name))) })
    },
  )
  app.get(
    '/repos/:id/environments/:name',
    {
      config: { scope: 'read' },
      schema: {
        params: Params,
        response: { 200: EnvironmentView },
        tags: ['environments'],
        summary: 'Read an environment',
      },
    },
    async (request, reply) => {
      const repo = await findRepository(store, request.params.id)
      if (!repo.ok) return sendOutcome(reply, repo)
      const names = await store.environments.names(repo.value)
      if (!names.includes(request.params.name)) return sendOutcome(reply, refuse('not_found', { what: 'environment' }))
      return reply.send(await viewEnvironment(deps, repo.value, request.params.name))
    },
  )
  app.get(
    '/repos/:id/environments/:name/releases',
    {
      config: { scope: 'read' },
      schema: {
        params: Params,
        response: { 200: Type.Object({ items: Type.Array(ReleaseView), next: Type.Optional(Type.String()) }) },
        tags: ['environments'],
        summary: 'The history of releases of an environment, newest first',
      },
    },
    async (request, reply) => {
      const repo = await findRepository(store, request.params.id)
      if (!repo.ok) return sendOutcome(reply, repo)
      const { name } = request.params
      const releases = await store.releases.list(repo.value, name)
      return reply.send({ items: releases.map((release) => viewRelease(url, name, release)) })
    },
  )
}

function rulesRoute(app: Api, deps: ApiDeps): void {
  const { store } = deps
  app.put(
    '/repos/:id/environments/:name',
    {
      config: { scope: 'admin' },
      schema: {
        params: Params,
        body: EnvironmentRules,
        response: { 200: EnvironmentView },
        tags: ['environments'],
        summary: 'Rule an environment; what is left out has no rule',
      },
    },
    async (request, reply) => {
      const repo = await findRepository(store, request.params.id)
      if (!repo.ok) return sendOutcome(reply, repo)
      await store.environments.setRules(repo.value, request.params.name, request.body)
      return reply.send(await viewEnvironment(deps, repo.value, request.params.name))
    },
  )
}
