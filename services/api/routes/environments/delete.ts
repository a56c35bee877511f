import { Change, Objects } from '@taxiway/domain/environment/change.ts'
import { FileEnvironmentName } from '@taxiway/domain/environment/environment.ts'
import type { RepositoryId } from '@taxiway/domain/ids.ts'
import { refuse } from '@taxiway/domain/reason.ts'
import type { Store } from '@taxiway/store/store.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../../api.ts'
import { sendOutcome } from '../../errors.ts'
import { findEnvironment } from '../../find.ts'

const namesTold = 5

/** Delete an environment: a deployer does it, as soon as nothing is rolled out there. */
export function deleteRoute(app: Api, { store, logger }: ApiDeps): void {
  app.delete(
    '/repos/:id/environments/:name',
    {
      config: { scope: 'admin' },
      schema: {
        params: Type.Object({ id: Type.String(), name: FileEnvironmentName }),
        querystring: Type.Object({ objects: Type.Optional(Objects) }),
        response: { 202: Change },
        tags: ['environments'],
        summary: 'Delete an environment with its history and rules; what runs there goes too, or is left',
      },
    },
    async (request, reply) => {
      const { id, name } = request.params
      const { objects = 'keep' } = request.query
      const repo = await findEnvironment(store, id, name)
      if (!repo.ok) return sendOutcome(reply, repo)
      const live = await whatIsLive(store, repo.value.id, name)
      if (live && request.query.objects === undefined)
        return sendOutcome(reply, refuse('objects_undecided', { what: `Environment ${name}`, live }))
      const who = request.caller?.name ?? 'somebody'
      const release = await store.releases.liveListed(repo.value.id, name)
      const asked = await store.changes.add(
        { repo: repo.value.id, name },
        {
          kind: 'delete',
          state: 'waiting',
          objects,
          who,
          at: store.now().toISOString(),
          generation: release?.generation ?? 0,
        },
      )
      logger.info({ repo: repo.value.id, environment: name, objects, who }, 'deletion of an environment asked for')
      return sendOutcome(reply, asked, 202)
    },
  )
}

/** What an environment runs, in a few words: `release 12 (Deployment/web, Service/web)`. Undefined: nothing. */
export async function whatIsLive(store: Store, repo: RepositoryId, name: string): Promise<string | undefined> {
  const [release] = (await store.releases.list(repo, name)).filter(({ order }) => order)
  const live = (await store.releases.liveListed(repo, name)) ?? release
  if (!live) return undefined
  const names = (live.order?.objects ?? []).map(({ kind, metadata }) => `${kind}/${metadata.name}`)
  const told = names.slice(0, namesTold).join(', ')
  const more = names.length > namesTold ? ` and ${names.length - namesTold} more` : ''
  return `${name}, release ${live.generation} (${told}${more})`
}
