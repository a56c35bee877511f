import { parseRunId } from '@taxiway/domain/ids.ts'
import { statementType } from '@taxiway/domain/provenance.ts'
import { reason } from '@taxiway/domain/reason.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { sendReason } from '../errors.ts'

const Params = Type.Object({ id: Type.String(), name: Type.String() })

/** Where an image of a run comes from: the statement that is attached to it in the registry. */
export function provenanceRoute(app: Api, { store }: ApiDeps): void {
  app.get(
    '/runs/:id/images/:name/provenance',
    {
      config: { scope: 'read' },
      schema: {
        params: Params,
        tags: ['runs'],
        summary: "An image's origin: an in-toto statement with SLSA provenance",
      },
    },
    async (request, reply) => {
      const id = parseRunId(request.params.id)
      const statement = id && (await store.provenance.read(id, request.params.name))
      if (!statement) return sendReason(reply, reason('not_found', { what: 'provenance' }))
      return reply.type(statementType).header('x-content-type-options', 'nosniff').send(Buffer.from(statement))
    },
  )
}
