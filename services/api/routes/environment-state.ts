import { EnvironmentName } from '@taxiway/domain/environment.ts'
import { EnvironmentState, stateAt } from '@taxiway/domain/environment-state.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { EnvironmentRef } from '@taxiway/store/environment-states.ts'
import type { Store } from '@taxiway/store/store.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../app.ts'
import { sendOutcome } from '../errors.ts'
import { findRepository } from './environments.ts'

const Params = Type.Object({ id: Type.String(), name: EnvironmentName })

/** What becomes of an environment after its roll-out: how it stands, and what people change there. */
export function environmentStateRoutes(app: Api, deps: ApiDeps): void {
  readRoute(app, deps)
}

/** An environment that a release is live in. */
async function findLive(store: Store, { id, name }: { id: string; name: string }): Promise<Outcome<EnvironmentRef>> {
  const repo = await findRepository(store, id)
  if (!repo.ok) return repo
  if (!(await store.environments.names(repo.value)).includes(name)) return refuse('not_found', { what: 'environment' })
  const environment = { repo: repo.value, name }
  const generation = await store.environmentStates.liveGeneration(environment)
  return generation > 0 ? done(environment) : refuse('nothing_live', { environment: name })
}

function readRoute(app: Api, { store }: ApiDeps): void {
  app.get(
    '/repos/:id/environments/:name/state',
    {
      config: { scope: 'read' },
      schema: {
        params: Params,
        response: { 200: EnvironmentState },
        tags: ['environments'],
        summary: 'How an environment stands: replicas, versions, pods',
      },
    },
    async (request, reply) => {
      const found = await findLive(store, request.params)
      if (!found.ok) return sendOutcome(reply, found)
      const now = store.now()
      const seen = (await store.environmentStates.read(found.value)) ?? notSeen(now.toISOString())
      return reply.send(stateAt(seen, now.getTime()))
    },
  )
}

const notSeen = (at: string) => ({
  condition: 'unknown' as const,
  detail: 'no deployer has looked yet',
  since: at,
  seenAt: at,
  workloads: [],
})
