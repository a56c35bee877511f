import { Change, Restart, Scale } from '@taxiway/domain/environment/change.ts'
import { EnvironmentName } from '@taxiway/domain/environment/environment.ts'
import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import { EnvironmentState, stateAt } from '@taxiway/domain/environment/state.ts'
import { done, type Outcome, oneLine, refuse } from '@taxiway/domain/reason.ts'
import type { EnvironmentRef } from '@taxiway/store/environments/seen.ts'
import type { Store } from '@taxiway/store/store.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../../api.ts'
import { sendOutcome } from '../../errors.ts'
import { findEnvironment } from '../../find.ts'

const Params = Type.Object({ id: Type.String(), name: EnvironmentName })

/** What becomes of an environment after its roll-out: how it stands, and what people change there. */
export function environmentStateRoutes(app: Api, deps: ApiDeps): void {
  readRoute(app, deps)
  changesRoute(app, deps)
  for (const kind of ['scale', 'restart'] as const) changeRoute(app, deps, kind)
}

/** An environment that a release is live in. */
async function findLive(store: Store, { id, name }: { id: string; name: string }): Promise<Outcome<EnvironmentRef>> {
  const repo = await findEnvironment(store, id, name)
  if (!repo.ok) return repo
  const environment = { repo: repo.value.id, name }
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

function changesRoute(app: Api, { store }: ApiDeps): void {
  app.get(
    '/repos/:id/environments/:name/changes',
    {
      config: { scope: 'read' },
      schema: {
        params: Params,
        response: { 200: Type.Object({ items: Type.Array(Change), next: Type.Optional(Type.String()) }) },
        tags: ['environments'],
        summary: 'What people changed in an environment between its releases, newest first',
      },
    },
    async (request, reply) => {
      const found = await findLive(store, request.params)
      return found.ok ? reply.send({ items: await store.changes.list(found.value) }) : sendOutcome(reply, found)
    },
  )
}

function changeRoute(app: Api, { store }: ApiDeps, kind: 'scale' | 'restart'): void {
  app.post(
    `/repos/:id/environments/:name/${kind}`,
    {
      config: { scope: 'write' },
      schema: {
        params: Params,
        body: kind === 'scale' ? Scale : Restart,
        response: { 202: Change },
        tags: ['environments'],
        summary:
          kind === 'scale'
            ? 'Give a workload other replicas, until the next release says otherwise'
            : 'Make the pods of a workload anew',
      },
    },
    async (request, reply) => {
      const found = await findLive(store, request.params)
      if (!found.ok) return sendOutcome(reply, found)
      const { repo, name } = found.value
      const release = await store.releases.live(repo, name)
      const named = release ? findWorkload(release.order, request.body.workload) : undefined
      if (!release || !named?.ok) return sendOutcome(reply, named ?? refuse('nothing_live', { environment: name }))
      const { replicas } = request.body as { replicas?: number }
      const asked = await store.changes.add(found.value, {
        kind,
        state: 'waiting',
        workload: named.value,
        ...(replicas === undefined ? {} : { replicas }),
        who: request.caller?.name ?? 'somebody',
        at: store.now().toISOString(),
        generation: release.generation,
      })
      return sendOutcome(reply, asked, 202)
    },
  )
}

/** `Kind/name` of the workload that is meant: by its name, where only one has it. */
function findWorkload({ objects }: ReleaseOrder, wanted: string): Outcome<string> {
  const found = objects
    .filter(({ kind }) => ['Deployment', 'StatefulSet', 'DaemonSet'].includes(kind))
    .map(({ kind, metadata }) => ({ name: metadata.name, full: `${kind}/${metadata.name}` }))
    .filter(({ name, full }) => name === wanted || full === wanted)
  const [first, second] = found
  if (!first) return refuse('not_found', { what: `workload ${oneLine(wanted, 100)}` })
  if (second) return refuse('input_invalid', { detail: `write ${first.full} or ${second.full}` })
  return done(first.full)
}
