import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { imageExists, pullImage } from '@taxiway/docker/image/image.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import type { Digest } from '@taxiway/domain/ids.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { RegistryApi } from '@taxiway/registry/api.ts'
import type { RegistryAuth } from '@taxiway/registry/call.ts'
import { isReferrersTag } from '@taxiway/registry/referrers.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'

/** A published image, and the registry that it is in. */
export interface Published {
  api: RegistryApi
  auth?: RegistryAuth
  /** The image's name in the registry, without and with its host. */
  repository: string
  name: string
  imageId: string
  digest: Digest
}
const pushMs = 10 * 60_000

/** Names that Taxiway gives itself. */
const isOurs = (tag: string): boolean => /^run-\d+$/.test(tag) || isReferrersTag(tag)

/**
 * Gives a published image more tags. Only its manifest is written again, by this process where it reaches the registry, else by
 * the engine, which finds all layers there.
 */
export async function addTags(
  stage: StageContext,
  engine: Engine,
  published: Published,
  tags: readonly string[],
): Promise<Outcome<void>> {
  for (const tag of new Set(tags)) {
    if (isOurs(tag)) {
      stage.log.say(`tag ${tag} is left out: such names are given by Taxiway itself`)
      continue
    }
    const isWritten = await writeTag(published, tag).catch(() => false)
    stage.signal.throwIfAborted()
    const tagged = isWritten ? done(undefined) : await pushTag(stage, engine, published, tag)
    if (!tagged.ok) return tagged
    stage.log.say(`${published.name}:${tag} is ${published.digest}`)
  }
  return done(undefined)
}

async function writeTag({ api, repository, digest }: Published, tag: string): Promise<boolean> {
  const manifest = await api.manifest(repository, digest)
  if (!manifest) return false
  await api.putManifest(repository, tag, manifest)
  return true
}

async function pushTag(
  { log, signal }: StageContext,
  engine: Engine,
  { auth, name, imageId, digest }: Published,
  tag: string,
): Promise<Outcome<unknown>> {
  const order = { signal, deadlineMs: pushMs, onLine: (text: string) => log.write(`${text}\n`) }
  const isThere = await imageExists(engine, imageId, signal)
  const pulled = isThere ? done(undefined) : await pullImage(engine, `${name}@${digest}`, { ...order, auth })
  if (!pulled.ok) return pulled
  return pushImage(engine, { ...order, imageId, repository: name, tag, ...(auth ? { auth } : {}) })
}
