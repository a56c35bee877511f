import { createHash } from 'node:crypto'
import { type Digest, parseDigest } from '@taxiway/domain/ids.ts'
import type { RegistryAuth } from './call.ts'
import { makeRegistryCall } from './call.ts'

/** A manifest as the registry holds it: its digest is that of these very bytes. */
export interface Manifest {
  digest: Digest
  type: string
  bytes: Buffer
}
/** A registry, spoken to directly (OCI distribution specification 1.1). A call rejects when the registry does not do what it is asked. */
export interface RegistryApi {
  /** All tags; none when there is no such repository. */
  tags(repository: string): Promise<string[]>
  /** What a tag stands for now. */
  digest(repository: string, tag: string): Promise<Digest | undefined>
  /** The manifest of a tag or digest, if it is there. */
  manifest(repository: string, reference: string): Promise<Manifest | undefined>
  /** Writes a manifest under a tag, or its own digest. @returns whether the registry took note of its `subject` */
  putManifest(
    repository: string,
    reference: string,
    manifest: Pick<Manifest, 'type' | 'bytes'>,
  ): Promise<{ hasSubject: boolean }>
  /** Uploads a blob, unless it is there. */
  putBlob(repository: string, bytes: Buffer): Promise<Digest>
  /** Removes an image, by whichever tags it goes. Gone already is `removed`. */
  remove(repository: string, digest: Digest): Promise<'removed' | 'not_allowed'>
}

const mostPages = 50
/** What the OCI specification lets a registry refuse anyway. */
const mostManifestBytes = 4 * 2 ** 20

/** The digest of content. */
export const digestOf = (bytes: Uint8Array): Digest =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest

/** Speaks to a registry with these credentials. */
export function makeRegistryApi(host: string, auth: RegistryAuth | undefined, signal?: AbortSignal): RegistryApi {
  const call = makeRegistryCall(host, auth, signal)
  const fail = (status: number, what: string): never => {
    throw new Error(`registry ${host} answered ${status} to ${what}`)
  }
  return {
    async tags(repository) {
      const found: string[] = []
      let path: string | undefined = `/v2/${repository}/tags/list?n=1000`
      for (let pages = 0; path && pages < mostPages; pages++) {
        const answer: Response = await call({ method: 'GET', repository, path })
        if (answer.status === 404) return found
        if (!answer.ok) fail(answer.status, `the tags of ${repository}`)
        const body = (await answer.json()) as { tags?: string[] | null }
        found.push(...(body.tags ?? []))
        path = /<([^>]+)>;\s*rel="?next/.exec(answer.headers.get('link') ?? '')?.[1]
      }
      return found
    },
    async digest(repository, tag) {
      const answer = await call({ method: 'HEAD', repository, path: `/v2/${repository}/manifests/${tag}` })
      if (answer.status === 404) return undefined
      if (!answer.ok) fail(answer.status, `the tag ${tag} of ${repository}`)
      return parseDigest(answer.headers.get('docker-content-digest') ?? '')
    },
    async manifest(repository, reference) {
      const answer = await call({ method: 'GET', repository, path: `/v2/${repository}/manifests/${reference}` })
      if (answer.status === 404) return undefined
      if (!answer.ok) fail(answer.status, `the manifest ${reference} of ${repository}`)
      if (Number(answer.headers.get('content-length') ?? 0) > mostManifestBytes)
        throw new Error(`registry ${host} has a manifest ${reference} of ${repository} that is too large`)
      const bytes = Buffer.from(await answer.arrayBuffer())
      const digest = digestOf(bytes)
      if (parseDigest(reference) && reference !== digest)
        throw new Error(`registry ${host} answered with something else than ${repository}@${reference}`)
      return { digest, type: answer.headers.get('content-type') ?? '', bytes }
    },
    async putManifest(repository, reference, { type, bytes }) {
      const path = `/v2/${repository}/manifests/${reference}`
      const answer = await call({ method: 'PUT', repository, path, type, body: bytes })
      if (!answer.ok) fail(answer.status, `the manifest ${reference} for ${repository}`)
      return { hasSubject: answer.headers.has('oci-subject') }
    },
    async putBlob(repository, bytes) {
      const digest = digestOf(bytes)
      const known = await call({ method: 'HEAD', repository, path: `/v2/${repository}/blobs/${digest}` })
      if (known.ok) return digest
      const begun = await call({ method: 'POST', repository, path: `/v2/${repository}/blobs/uploads/` })
      const location = begun.headers.get('location')
      if (begun.status !== 202 || !location) return fail(begun.status, `an upload to ${repository}`)
      const place = new URL(location, begun.url)
      place.searchParams.set('digest', digest)
      const type = 'application/octet-stream'
      const answer = await call({ method: 'PUT', repository, path: place.href, type, body: bytes })
      return answer.status === 201 ? digest : fail(answer.status, `a blob for ${repository}`)
    },
    async remove(repository, digest) {
      const answer = await call({ method: 'DELETE', repository, path: `/v2/${repository}/manifests/${digest}` })
      if (answer.ok || answer.status === 404) return 'removed'
      if ([401, 403, 405, 501].includes(answer.status)) return 'not_allowed'
      return fail(answer.status, `the removal of ${repository}@${digest}`)
    },
  }
}
