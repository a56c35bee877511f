import type { Digest } from '@taxiway/domain/ids.ts'
import { digestOf, type Manifest, type RegistryApi } from './api.ts'

/** Something that is said about an image, to be kept beside it. */
export interface Attachment {
  /** Media type, also of the artifact as a whole. */
  type: string
  bytes: Buffer
  annotations: Record<string, string>
}
interface Descriptor {
  mediaType: string
  digest: string
  size: number
  artifactType?: string
  annotations?: Record<string, string>
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'
/** The empty JSON object that stands where an artifact has no configuration (OCI image specification 1.1, "Guidance for an Empty Descriptor"). */
const empty = { type: 'application/vnd.oci.empty.v1+json', bytes: Buffer.from('{}') }

/** The tag under which a registry without the referrers API keeps the list of an image's referrers. */
export const referrersTag = (digest: Digest): string => digest.replace(':', '-')

/** Is it a tag of that kind? People give no such tags. */
export const isReferrersTag = (tag: string): boolean => /^sha256-[0-9a-f]{64}$/.test(tag)

/**
 * Attaches something to an image as an OCI referrer: a manifest whose `subject` is the image (OCI distribution specification
 * 1.1). In a registry that takes no note of subjects, the list under the fallback tag is kept by us, as the specification asks
 * of clients. @returns the digest of the referrer
 */
export async function attach(
  api: RegistryApi,
  repository: string,
  subject: Manifest,
  { type, bytes, annotations }: Attachment,
): Promise<Digest> {
  await api.putBlob(repository, empty.bytes)
  await api.putBlob(repository, bytes)
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType: type,
    config: descriptor(empty.type, empty.bytes),
    layers: [{ ...descriptor(type, bytes), annotations }],
    subject: descriptor(subject.type, subject.bytes),
    annotations,
  }
  const body = Buffer.from(JSON.stringify(manifest))
  const digest = digestOf(body)
  const { hasSubject } = await api.putManifest(repository, digest, { type: manifestType, bytes: body })
  if (!hasSubject)
    await addToList(api, repository, subject.digest, {
      ...descriptor(manifestType, body),
      artifactType: type,
      annotations,
    })
  return digest
}

const descriptor = (mediaType: string, bytes: Buffer): Descriptor => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
})

async function addToList(api: RegistryApi, repository: string, subject: Digest, entry: Descriptor): Promise<void> {
  const tag = referrersTag(subject)
  const before = await api.manifest(repository, tag)
  const listed = before ? (JSON.parse(before.bytes.toString()) as { manifests?: Descriptor[] }).manifests : []
  const manifests = [...(listed ?? []).filter(({ digest }) => digest !== entry.digest), entry]
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests }))
  await api.putManifest(repository, tag, { type: indexType, bytes })
}
