import { imageExists, nameImage } from '@taxiway/docker/image/image.ts'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { type BuildDeps, buildOne } from '../images/build-one.ts'
import { localName } from '../images/parts.ts'
import { choosePlatforms } from '../images/platforms.ts'
import { makeReuse, type ReusableKeys, type Reuse, reusableKeys } from '../images/reuse.ts'
import { inOrder } from '../in-order.ts'
import { warnOfArguments } from '../warn-of-arguments.ts'

/** Images of one run that are built at a time. */
const atOnce = 3

/** What a run has of its images, each by its name. */
export interface BuiltImages {
  /** Their ids, in the plan's order: what an image is made from stands before it. */
  images: Map<string, string>
  platforms: ReadonlyMap<string, string>
  keys: ReusableKeys
}

/**
 * Builds every image of the plan, side by side as far as they are not made from each other. Those an earlier attempt built are
 * taken as they are, if this engine has them; those whose `paths` have not changed are taken from an earlier run.
 */
export async function build(stage: StageContext, deps: Omit<BuildDeps, 'platforms'>): Promise<Outcome<BuiltImages>> {
  const { images } = deps.tree.plan
  const platforms = await choosePlatforms(deps.engine, images, stage.signal)
  if (!platforms.ok) return platforms
  const keys = await reusableKeys(stage, deps)
  const reuse = makeReuse(deps, keys)
  const context = { ...deps, platforms: platforms.value }
  const made = new Map<string, string>()
  const jobs = images.map((image) => ({ image, name: image.name, needs: Object.values(image.from ?? {}) }))
  const ended = await inOrder(jobs, {
    atOnce,
    signal: stage.signal,
    async run({ image, name }, signal) {
      const outcome = await makeImage({ ...stage, signal }, context, { image, reuse })
      if (!outcome.ok) return outcome
      made.set(name, outcome.value)
      return done(true)
    },
    skip: async () => {},
  })
  if (!ended.ok) return ended
  const ids = new Map(images.map(({ name }) => [name, made.get(name) as string]))
  return done({ images: ids, platforms: platforms.value, keys })
}

async function makeImage(
  stage: StageContext,
  deps: BuildDeps,
  { image, reuse }: { image: PlannedImage; reuse: Reuse },
): Promise<Outcome<string>> {
  const known = stage.run.images.find(({ name }) => name === image.name)?.imageId
  if (known && (await imageExists(deps.engine, known, stage.signal))) {
    await nameImage(deps.engine, known, localName(deps.engine, stage.run, image.name), stage.signal)
    return done(known)
  }
  const reused = await reuse(stage, image)
  if (reused !== undefined) return done(reused)
  stage.log.say(`building image ${image.name} from ${image.dockerfile}`)
  await warnOfArguments(stage, deps.store, image)
  const built = await buildOne(stage, deps, image, image.target)
  if (!built.ok) return built
  const { imageId, bases } = built.value
  await stage.record({ type: 'image_built', image: image.name, imageId, bases })
  return done(imageId)
}
