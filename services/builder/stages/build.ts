import type { Config } from '@taxiway/chassis/config.ts'
import { buildImage } from '@taxiway/docker/build.ts'
import { packContext } from '@taxiway/docker/context.ts'
import type { Engine } from '@taxiway/docker/engine.ts'
import { imageExists } from '@taxiway/docker/image.ts'
import { workImage } from '@taxiway/docker/labels.ts'
import type { StepLimiter } from '@taxiway/docker/step-limits.ts'
import type { PlannedImage } from '@taxiway/domain/plan.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { patiently } from '@taxiway/store/connection.ts'
import type { StageContext } from '@taxiway/store/stage.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { Tree } from './checkout.ts'

export interface BuildDeps {
  config: Config
  store: Pick<Store, 'registries'>
  engine: Engine
  /** Missing where build steps can't be limited. */
  limiter?: StepLimiter | undefined
  tree: Tree
}
const buildMs = 60 * 60_000
const maxContextMb = 2048
const maxContextFiles = 200_000

/** Builds every image of the plan. Those an earlier attempt built are taken as they are, if this engine has them. */
export async function build(stage: StageContext, deps: BuildDeps): Promise<Outcome<Map<string, string>>> {
  const { engine, tree } = deps
  const images = new Map<string, string>()
  for (const image of tree.plan.images) {
    const known = stage.run.images.find(({ name }) => name === image.name)?.imageId
    if (known && (await imageExists(engine, known, stage.signal))) {
      images.set(image.name, known)
      continue
    }
    stage.log.say(`building image ${image.name} from ${image.dockerfile}`)
    const built = await buildOne(stage, deps, image, image.target)
    if (!built.ok) return built
    images.set(image.name, built.value)
    if (known !== built.value) await stage.record({ type: 'image_built', image: image.name, imageId: built.value })
  }
  return done(images)
}

/** Builds one image, or one stage of its Dockerfile, and returns the image's id. */
export async function buildOne(
  stage: StageContext,
  { config, store, engine, limiter, tree }: BuildDeps,
  image: PlannedImage,
  target: string | undefined,
): Promise<Outcome<string>> {
  // Code that nobody approved could build from any private image, and print it.
  const isTrusted = stage.run.trusted !== false
  const auths = isTrusted ? await patiently(() => store.registries.credentials(config.registry)) : {}
  const context = await packContext({
    folder: tree.folder,
    subfolder: image.context,
    dockerfile: image.dockerfile,
    maxMb: maxContextMb,
    maxFiles: maxContextFiles,
  })
  if (!context.ok) return context
  const built = await buildImage(engine, {
    image: image.name,
    context: context.value.stream,
    dockerfile: context.value.dockerfile,
    ...(target ? { target } : {}),
    tags: [
      workImage(engine, {
        run: stage.run.id,
        attempt: stage.run.attempt,
        step: target ? `${image.name}-${target}` : image.name,
      }),
    ],
    args: image.args,
    auths,
    ...(limiter ? { steps: { ...config.limits.step, limiter } } : {}),
    signal: stage.signal,
    deadlineMs: Math.min(buildMs, tree.plan.timeoutMs ?? buildMs),
    onLine: (line) => stage.log.write(`${line.text}\n`),
  })
  return built.ok ? done(built.value.imageId) : built
}
