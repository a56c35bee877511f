import type { Digest } from '@taxiway/domain/ids.ts'
import { expect, test } from 'vitest'
import { digestOf, type Manifest, type RegistryApi } from './api.ts'
import { attach, referrersTag } from './referrers.ts'

const bytes = Buffer.from('{"schemaVersion":2}')
const type = 'application/vnd.docker.distribution.manifest.v2+json'
const subject: Manifest = { digest: digestOf(bytes), type, bytes }
const attachment = { type: 'application/vnd.in-toto+json', bytes: Buffer.from('{}'), annotations: { kind: 'x' } }

/** What a registry is told, and nothing of what it would do. */
function listen(hasSubject: boolean) {
  const written = new Map<string, { type: string; body: any }>()
  const api: Pick<RegistryApi, 'manifest' | 'putManifest' | 'putBlob'> = {
    async manifest(_repository, reference) {
      const found = written.get(reference)
      const text = Buffer.from(JSON.stringify(found?.body ?? null))
      return found && { digest: digestOf(text), type: found.type, bytes: text }
    },
    async putManifest(_repository, reference, manifest) {
      written.set(reference, { type: manifest.type, body: JSON.parse(manifest.bytes.toString()) })
      return { hasSubject }
    },
    putBlob: async (_repository, blob) => digestOf(blob),
  }
  return { api: api as RegistryApi, written }
}

test('a registry that takes note of subjects is given the referrer, and no list', async () => {
  const { api, written } = listen(true)
  const digest = await attach(api, 'shop/web', subject, attachment)
  expect([...written.keys()]).toEqual([digest])
  expect(written.get(digest)?.body).toMatchObject({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: attachment.type,
    config: { mediaType: 'application/vnd.oci.empty.v1+json', size: 2 },
    layers: [{ mediaType: attachment.type, digest: digestOf(attachment.bytes), size: 2 }],
    subject: { mediaType: type, digest: subject.digest, size: bytes.length },
  })
})

test('in any other, what is said about an image is listed once under the fallback tag, beside what others said', async () => {
  const { api, written } = listen(false)
  const tag = referrersTag(subject.digest)
  const theirs = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${'1'.repeat(64)}`,
    size: 9,
  }
  written.set(tag, { type: 'application/vnd.oci.image.index.v1+json', body: { schemaVersion: 2, manifests: [theirs] } })
  const digests: Digest[] = []
  for (const _ of [1, 2]) digests.push(await attach(api, 'shop/web', subject, attachment))
  expect(digests[0]).toBe(digests[1])
  expect(tag).toMatch(/^sha256-[0-9a-f]{64}$/)
  expect(written.get(tag)?.body.manifests).toEqual([
    theirs,
    expect.objectContaining({ digest: digests[0], artifactType: attachment.type, annotations: { kind: 'x' } }),
  ])
})
