import {
  EnvironmentName,
  EnvironmentRules,
  EnvironmentView,
  FileEnvironmentName,
  ReleaseView,
} from '@taxiway/domain/environment/environment.ts'
import { ruleObjection } from '@taxiway/domain/environment/place.ts'
import type { ListedRelease } from '@taxiway/domain/environment/release.ts'
import { stateAt } from '@taxiway/domain/environment/state.ts'
import { isTimeZone } from '@taxiway/domain/environment/windows.ts'
import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'
import { ruledAs } from '@taxiway/domain/plan/preview.ts'
import { refuse } from '@taxiway/domain/reason.ts'
import type { Preview, PreviewTrouble } from '@taxiway/store/environments/previews.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../../api.ts'
import { sendOutcome } from '../../errors.ts'
import { findEnvironment, findRepository } from '../../find.ts'
import { runUrl } from '../../links.ts'

const OfRepository = Type.Object({ id: Type.String() })
const Params = Type.Object({ id: Type.String(), name: EnvironmentName })

/** The environments of a repository: what is live, what was before, and what admins rule. */
export function environmentRoutes(app: Api, deps: ApiDeps): void {
  readRoutes(app, deps)
  rulesRoute(app, deps)
}

/** A release as the API answers it. */
export const viewRelease = (url: string, environment: string, release: ListedRelease) => {
  const { order, ...known } = release
  return {
    environment,
    ...known,
    namespace: order?.namespace ?? '',
    images: order?.digests ?? [],
    runUrl: runUrl(url, release.runId as RunId),
  }
}

/** An environment as the API answers it. */
export async function viewEnvironment({ store, url }: ApiDeps, repo: RepositoryId, name: string) {
  const preview = await store.previews.read(repo, name)
  const [rules, live, hold, seen, trouble] = await Promise.all([
    store.environments.rules(repo, ruledAs({ name, preview })),
    store.releases.liveListed(repo, name),
    store.environments.hold(repo, name),
    store.environmentStates.read({ repo, name }),
    preview && store.previews.trouble(repo, name),
  ])
  return {
    name,
    rules,
    ...(live ? { live: viewRelease(url, name, live) } : {}),
    ...(hold ? { hold } : {}),
    ...(live && seen ? { state: stateAt(seen, store.now().getTime()) } : {}),
    ...(preview ? { preview: viewPreview(preview, trouble) } : {}),
  }
}

const viewPreview = ({ of, number, url, updatedAt, ttlMs }: Preview, trouble: PreviewTrouble | undefined) => ({
  of,
  number,
  updatedAt,
  expiresAt: new Date(Date.parse(updatedAt) + ttlMs).toISOString(),
  ...(url === undefined ? {} : { url }),
  ...(trouble ? { trouble: trouble.reason } : {}),
})

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
      const names = await store.environments.names(repo.value.id)
      return reply.send({ items: await Promise.all(names.map((name) => viewEnvironment(deps, repo.value.id, name))) })
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
      const repo = await findEnvironment(store, request.params.id, request.params.name)
      if (!repo.ok) return sendOutcome(reply, repo)
      return reply.send(await viewEnvironment(deps, repo.value.id, request.params.name))
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
      const [releases, live] = await Promise.all([
        store.releases.list(repo.value.id, name),
        store.releases.liveListed(repo.value.id, name),
      ])
      const view = (release: ListedRelease) => ({
        ...viewRelease(url, name, release),
        ...(release.generation === live?.generation ? { current: true } : {}),
      })
      return reply.send({ items: releases.map(view) })
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
        params: Type.Object({ id: Type.String(), name: FileEnvironmentName }),
        body: EnvironmentRules,
        response: { 200: EnvironmentView },
        tags: ['environments'],
        summary: 'Rule an environment; what is left out has no rule',
      },
    },
    async (request, reply) => {
      const repo = await findRepository(store, request.params.id)
      if (!repo.ok) return sendOutcome(reply, repo)
      const detail = ruleObjection(request.body)
      if (detail) return sendOutcome(reply, refuse('input_invalid', { detail }))
      const { timezone } = request.body
      if (timezone !== undefined && !isTimeZone(timezone))
        return sendOutcome(reply, refuse('input_invalid', { detail: `${timezone} is no time zone like Europe/Berlin` }))
      await store.environments.setRules(repo.value.id, request.params.name, request.body)
      return reply.send(await viewEnvironment(deps, repo.value.id, request.params.name))
    },
  )
}
