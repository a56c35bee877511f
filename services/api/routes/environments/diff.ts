import { ReleaseDiff } from '@taxiway/domain/environment/diff.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../../api.ts'
import { sendOutcome } from '../../errors.ts'
import { findRun } from '../../find.ts'

/** What the releases of a run change against what was live. */
export function diffRoute(app: Api, { store }: ApiDeps): void {
  app.get(
    '/runs/:id/diff',
    {
      config: { scope: 'read' },
      schema: {
        params: Type.Object({ id: Type.String() }),
        response: { 200: Type.Object({ items: Type.Array(ReleaseDiff), next: Type.Optional(Type.String()) }) },
        tags: ['runs'],
        summary: 'What the releases of a run change, object by object, against what was live when they were made',
      },
    },
    async (request, reply) => {
      const run = await findRun(store, request.params.id)
      if (!run.ok) return sendOutcome(reply, run)
      return reply.send({ items: await store.diffs.list(run.value.id) })
    },
  )
}
