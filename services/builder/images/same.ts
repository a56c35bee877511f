import { createHash } from 'node:crypto'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { imageContent, registryDigest } from '@taxiway/docker/image/image.ts'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import type { RegistryAuth } from '@taxiway/registry/call.ts'
import type { KeyedImage } from '@taxiway/store/repositories/image-keys.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { originLabels } from './parts.ts'

/** A built image, and where it is about to be published. */
export interface Candidate {
  name: string
  imageId: string
  auth?: RegistryAuth
}

/** The key of what an image holds: its layers and its configuration, but for the labels that say what it was built from. */
export async function contentKey(engine: Engine, { name, imageId }: Candidate, signal: AbortSignal): Promise<string> {
  const content = await imageContent(engine, imageId, originLabels, signal)
  return `same ${name} ${createHash('sha256').update(content).digest('hex')}`
}

/**
 * The image of an earlier run that holds the same, if the registry has it: a push that changes nothing of an image gives it no other
 * digest, so nothing that runs it is restarted.
 */
export async function samePublished(
  { run, log, signal }: StageContext,
  { engine, store }: { engine: Engine; store: Pick<Store, 'imageKeys'> },
  { image, place, key }: { image: PlannedImage; place: Candidate; key: string },
): Promise<KeyedImage | undefined> {
  const found = await store.imageKeys.use(run.repo, [key])
  if (!found) return undefined
  const isThere = await registryDigest(engine, found.image.reference, place.auth, signal).catch(() => 'unknown')
  signal.throwIfAborted()
  if (isThere === undefined) await store.imageKeys.forget(run.repo, found.key)
  if (isThere !== found.image.digest) return undefined
  log.say(`image ${image.name} holds the same as that of run ${found.image.run}, which stays: ${found.image.reference}`)
  return found.image
}
