import type { Config } from '@taxiway/chassis/config.ts'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { engineId } from '@taxiway/docker/engine/engine-info.ts'
import { imageUser } from '@taxiway/docker/image/image.ts'
import { pushImage } from '@taxiway/docker/image/push.ts'
import type { Digest } from '@taxiway/domain/ids.ts'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { RunBase } from '@taxiway/domain/run/parts.ts'
import { makeRegistryApi } from '@taxiway/registry/api.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import { registryHost } from '@taxiway/store/access/registries.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { addTags, type Published } from '../images/extra-tags.ts'
import { imageFolder } from '../images/image-name.ts'
import { stateOrigin } from '../images/provenance.ts'
import { type ReusableKeys, takeOver } from '../images/reuse.ts'
import { contentKey, samePublished } from '../images/same.ts'
import type { Tree } from '../tree.ts'

export interface PublishDeps {
  config: Config
  store: Pick<Store, 'registries' | 'pulledImages' | 'imageKeys' | 'provenance' | 'now'>
  engine: Engine
  tree: Tree
  /** Image name -> image id, in the plan's order: what an image is made from stands before it. */
  images: Map<string, string>
  keys: ReusableKeys
}
type Place = Omit<Published, 'digest'>
const pushMs = 30 * 60_000

/** Pushes every image, states where it comes from, and records its digest. What an earlier attempt or run published is not pushed again. */
export async function publish(stage: StageContext, deps: PublishDeps): Promise<Outcome<void>> {
  const digests = new Map<string, { name: string; digest: Digest }>()
  for (const image of deps.tree.plan.images) {
    const place = await placeOf(stage, deps, image)
    if (!place.ok) return place
    const key = deps.keys.get(image.name)?.[0]
    const published = await publishOne(stage, deps, { image, place: place.value, digests, key })
    if (!published.ok) return published
    digests.set(image.name, { name: place.value.name, digest: published.value.digest })
    const tagged = await addTags(stage, deps.engine, { ...place.value, ...published.value }, image.tags ?? [])
    if (!tagged.ok) return tagged
  }
  return done(undefined)
}

async function placeOf(
  { run, signal }: StageContext,
  { config, store, images }: PublishDeps,
  image: PlannedImage,
): Promise<Outcome<Place>> {
  const name = `${config.registry.prefix}/${imageFolder(run.repository)}/${image.name}`
  const parsed = parseImageReference(name)
  const imageId = images.get(image.name)
  if (!parsed || imageId === undefined) return refuse('input_invalid', { detail: `${name} is not an image reference` })
  const host = registryHost(parsed.registry)
  const auth = (await store.registries.credentials(config.registry))[host]
  const api = makeRegistryApi(host, auth, signal)
  return done({ name, imageId, api, repository: parsed.repository, ...(auth ? { auth } : {}) })
}

async function publishOne(
  stage: StageContext,
  deps: PublishDeps,
  order: { image: PlannedImage; place: Place; digests: Digests; key: string | undefined },
): Promise<Outcome<Pick<Published, 'digest' | 'imageId'>>> {
  const { image, place, digests, key } = order
  const { imageId } = place
  const known = stage.run.images.find(({ name }) => name === image.name)
  if (known?.digest && known.imageId === imageId) return done({ digest: known.digest as Digest, imageId })
  const sameKey = await contentKey(deps.engine, place, stage.signal)
  const same = await samePublished(stage, deps, { image, place, key: sameKey })
  if (same) {
    await takeOver(stage, deps, image, same)
    return done(same)
  }
  const pushed = await push(stage, deps, place)
  if (!pushed.ok) return pushed
  const { digest } = pushed.value
  const bases = (known?.bases ?? []).map((base) => asPublished(base, digests))
  const origin = await stateOrigin(stage, { ...deps, ...place }, { image, bases, name: place.name, digest })
  const reference = `${place.name}@${digest}`
  const { statement, provenance } = origin
  const user = await imageUser(deps.engine, place.imageId, stage.signal)
  const stated = { ...(provenance ? { provenance } : {}), ...(user === undefined ? {} : { user }) }
  await stage.record({ type: 'image_published', image: image.name, digest, reference, ...stated })
  const keyed = { reference, digest, imageId, run: stage.run.number, statement, ...stated }
  for (const one of key === undefined ? [sameKey] : [sameKey, key])
    await deps.store.imageKeys.keep(stage.run.repo, one, keyed)
  return done({ digest, imageId })
}

type Digests = ReadonlyMap<string, { name: string; digest: Digest }>

/** An image of the same run is named as it was published. */
const asPublished = (base: RunBase, digests: Digests): RunBase => digests.get(base.name) ?? base

async function push(
  stage: StageContext,
  { store, engine }: PublishDeps,
  { name, imageId, auth }: Place,
): Promise<Outcome<{ digest: Digest }>> {
  const pushed = await pushImage(engine, {
    imageId,
    repository: name,
    tag: `run-${stage.run.number}`,
    ...(auth ? { auth } : {}),
    signal: stage.signal,
    deadlineMs: pushMs,
    onLine: (text) => stage.log.write(`${text}\n`),
  })
  if (!pushed.ok) return pushed
  stage.log.say(`${name}: ${pushed.value.digest}`)
  // The engine keeps it under this name from now on.
  const engineName = await engineId(engine, stage.signal)
  await store.pulledImages.pulled(engineName, `${name}@${pushed.value.digest}`)
  return pushed
}
