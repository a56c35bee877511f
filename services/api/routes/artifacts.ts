import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import Type from 'typebox'
import type { Api, ApiDeps } from '../api.ts'
import { sendReason } from '../errors.ts'
import { findRun } from '../find.ts'

const Params = Type.Object({ id: Type.String(), artifact: Type.String() })

/** What is known of an artifact, and its file, open. */
interface Found {
  name: string
  file: FileHandle
  bytes: number
}

/** A file that a test left. It is made by strangers, so browsers only ever save it. */
export function artifactRoutes(app: Api, deps: ApiDeps): void {
  app.get(
    '/runs/:id/artifacts/:artifact',
    {
      config: { scope: 'read' },
      exposeHeadRoute: false,
      schema: { params: Params, tags: ['runs'], summary: 'A file that a test of the run left' },
    },
    async (request, reply) => {
      const found = await find(deps, request.params.id, request.params.artifact)
      if (!found.ok) return sendReason(reply, found.reason)
      const { name, file, bytes } = found.value
      return reply
        .header('content-type', 'application/octet-stream')
        .header('content-disposition', disposition(name))
        .header('x-content-type-options', 'nosniff')
        .header('content-security-policy', "sandbox; default-src 'none'")
        .header('cache-control', 'private, no-store')
        .header('content-length', bytes)
        .send(file.createReadStream())
    },
  )
}

async function find({ store, dataFolder }: ApiDeps, run: string, artifact: string): Promise<Outcome<Found>> {
  const of = await findRun(store, run)
  const known = of.ok ? of.value.artifacts?.find((one) => one.id === artifact) : undefined
  if (!of.ok || !known) return refuse('not_found', { what: 'artifact' })
  const { path, name = 'artifact', expiresAt } = known
  if (Date.parse(expiresAt) <= store.now().getTime()) return refuse('artifact_expired', { path, expired: expiresAt })
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(join(dataFolder, 'artifacts', of.value.id, known.id), flags).catch(() => undefined)
  const stats = await file?.stat()
  if (file && stats?.isFile()) return done({ name, file, bytes: stats.size })
  await file?.close()
  return refuse('artifact_elsewhere', { path })
}

/** Saved under its name, in the two ways of RFC 6266. */
const disposition = (name: string): string => {
  const plain = name.replaceAll(/[^A-Za-z0-9._-]/g, '_')
  const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16)}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}
