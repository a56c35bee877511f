import type { Config } from '@taxiway/chassis/config.ts'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { engineId } from '@taxiway/docker/engine/engine-info.ts'
import { enginePlatform } from '@taxiway/docker/engine/platform.ts'
import { nameImage, pullImage, registryDigest } from '@taxiway/docker/image/image.ts'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import type { Plan } from '@taxiway/domain/plan/plan.ts'
import type { RegistryAuth } from '@taxiway/registry/call.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import type { KeyedImage } from '@taxiway/store/repositories/image-keys.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import type { Tree } from '../tree.ts'
import { contentKeys, scopedKeys } from './keys.ts'
import { localName } from './parts.ts'

export interface ReuseDeps {
  config: Pick<Config, 'registry'>
  store: Pick<Store, 'registries' | 'imageKeys' | 'provenance' | 'pulledImages'>
  engine: Engine
  tree: Tree
}
/** Takes an image that an earlier run published, if it is made of the same. @returns its id, or undefined: it is to be built */
export type Reuse = (stage: StageContext, image: PlannedImage) => Promise<string | undefined>

const pullMs = 10 * 60_000

/** Names under which an image may be found again, best first, by the image's name: those with `paths`, in runs of code that is trusted. */
export type ReusableKeys = ReadonlyMap<string, [string, ...string[]]>

/** Makes the keys of a run. */
export async function reusableKeys(
  { run, signal }: StageContext,
  { config, engine, tree }: Pick<ReuseDeps, 'config' | 'engine' | 'tree'>,
): Promise<ReusableKeys> {
  if (run.trusted === false || !tree.plan.images.some(({ paths }) => paths)) return new Map()
  const platform = await enginePlatform(engine, signal)
  const keys = contentKeys(tree.plan.images, tree.files, { prefix: config.registry.prefix, platform })
  const keyed = tree.plan.images.filter(({ paths }) => paths)
  return new Map(keyed.map(({ name }) => [name, scopedKeys(run, keys.get(name) as string)]))
}

/** Makes what looks for images of earlier runs. */
export function makeReuse(deps: ReuseDeps, keys: ReusableKeys): Reuse {
  const { store, engine, tree } = deps
  return async (stage, image) => {
    const wanted = keys.get(image.name)
    const found = wanted && (await store.imageKeys.use(stage.run.repo, wanted))
    if (!found) return undefined
    const auth = await authFor(deps, found.image)
    const isThere = await registryDigest(engine, found.image.reference, auth, stage.signal).catch(() => 'unknown')
    stage.signal.throwIfAborted()
    // The registry has it no more.
    if (isThere === undefined) await store.imageKeys.forget(stage.run.repo, found.key)
    if (isThere !== found.image.digest) return undefined
    if (isNeededHere(tree.plan, image.name) && !(await fetchImage(stage, deps, { image, found: found.image, auth })))
      return undefined
    const { run, reference } = found.image
    stage.log.say(`image ${image.name} is that of run ${run}: nothing it is made of has changed since. ${reference}`)
    await takeOver(stage, deps, image, found.image)
    return found.image.imageId
  }
}

async function authFor({ config, store }: ReuseDeps, { reference }: KeyedImage): Promise<RegistryAuth | undefined> {
  const auths = await store.registries.credentials(config.registry)
  return auths[parseImageReference(reference)?.registry ?? '']
}

/** Does a test run in it, or is another image made from it? */
const isNeededHere = ({ images, tests }: Plan, name: string): boolean =>
  tests.some((test) => test.image === name || test.services?.some((service) => service.image === name)) ||
  images.some(({ from }) => Object.values(from ?? {}).includes(name))

/** Pulls it under the name that the image has in this run. @returns false when it can't be had, or is something else */
async function fetchImage(
  stage: StageContext,
  { store, engine }: ReuseDeps,
  { image, found, auth }: { image: PlannedImage; found: KeyedImage; auth: RegistryAuth | undefined },
): Promise<boolean> {
  const onLine = (text: string) => stage.log.write(`${image.name} | ${text}\n`)
  const pulled = await pullImage(engine, found.reference, { auth, signal: stage.signal, deadlineMs: pullMs, onLine })
  const isSame = pulled.ok && pulled.value.imageId === found.imageId
  const name = localName(engine, stage.run, image.name)
  // A run that ends may take away the last name of the same image between the two.
  const isNamed = isSame && (await nameImage(engine, found.imageId, name, stage.signal).then(yes, no))
  stage.signal.throwIfAborted()
  if (!isNamed) {
    stage.log.say(`image ${image.name} is built, as the one of run ${found.run} can't be had`)
    return false
  }
  const engineName = await engineId(engine, stage.signal)
  await store.pulledImages.pulled(engineName, found.reference)
  return true
}

const yes = () => true
const no = () => false

/** Records that the run's image is one that an earlier run published. */
export async function takeOver(
  stage: StageContext,
  { store }: { store: Pick<Store, 'provenance'> },
  { name }: PlannedImage,
  { imageId, digest, reference, provenance, statement, run, user }: KeyedImage,
): Promise<void> {
  await store.provenance.keep(stage.run.id, name, statement)
  await stage.record({ type: 'image_built', image: name, imageId, reusedFrom: digest, reusedRun: run })
  await stage.record({
    type: 'image_published',
    image: name,
    digest,
    reference,
    ...(provenance ? { provenance } : {}),
    ...(user === undefined ? {} : { user }),
  })
}
