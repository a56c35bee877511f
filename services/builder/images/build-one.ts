import type { Config } from '@taxiway/chassis/config.ts'
import { type BuildOrder, type Built, buildImage } from '@taxiway/docker/build/build.ts'
import { type BuildContext, dockerfileName, packContext } from '@taxiway/docker/build/context.ts'
import { dockerfileImages } from '@taxiway/docker/build/dockerfile.ts'
import type { StepLimiter } from '@taxiway/docker/build/step-limits.ts'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { resolveBase } from '@taxiway/docker/image/base-image.ts'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { RunBase } from '@taxiway/domain/run/parts.ts'
import type { RegistryCredentials } from '@taxiway/store/access/registries.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { cacheOwner } from '../cache-owner.ts'
import { isolatesUntrusted } from '../containment.ts'
import { secretValues } from '../secret-values.ts'
import type { Tree } from '../tree.ts'
import { imageRule } from './foreign-images.ts'
import { baseArguments, labelsOf, localName } from './parts.ts'
import type { RegistryImages } from './registry-images.ts'
import { tellDigest } from './tell-digest.ts'

export interface BuildDeps {
  config: Config
  store: Pick<
    Store,
    'registries' | 'repositories' | 'repositorySecrets' | 'imageKeys' | 'provenance' | 'pulledImages' | 'usedDigests'
  >
  engine: Engine
  /** Missing where build steps can't be limited. */
  limiter?: StepLimiter | undefined
  tree: Tree
  registryImages: RegistryImages
  /** What images are built for, by name, where their plans say so. */
  platforms: ReadonlyMap<string, string>
}
const buildMs = 60 * 60_000
const maxContextMb = 2048
const maxContextFiles = 200_000
/** What an image was made from is recorded up to this many. */
const mostBases = 100

/** Builds one image, or one stage of its Dockerfile: the image's id, and what it was made from. */
export async function buildOne(
  stage: StageContext,
  { config, store, engine, limiter, tree, platforms, registryImages }: BuildDeps,
  image: PlannedImage,
  target: string | undefined,
): Promise<Outcome<{ imageId: string; bases: RunBase[] }>> {
  const { run, signal } = stage
  // Code that nobody approved could build from any private image, and print it.
  const auths = run.trusted === false ? {} : await store.registries.credentials(config.registry)
  const secrets = await secretValues(store, run, image.secrets ?? [])
  if (!secrets.ok) return secrets
  const platform = platforms.get(image.name)
  const packed = packContext({
    folder: tree.folder,
    subfolder: image.context,
    dockerfile: image.dockerfile,
    maxMb: maxContextMb,
    maxFiles: maxContextFiles,
    timeMsOf: (path) => tree.times.files.get(path)?.atMs,
  })
  // Times are comparable within one workspace, so what is kept by them is its own.
  const owner = `${cacheOwner(run)} ${tree.times.lineage}`
  const isIsolated = run.trusted === false && isolatesUntrusted(config)
  if (isIsolated)
    stage.log.say(
      'its steps have no network: no member has approved this code, and the engine is shared (TAXIWAY_ENGINE)',
    )
  const refuse = await imageRule({
    engine,
    store,
    registry: config.registry,
    run,
    signal,
    words: async () => [await dockerfileOf(packed), ...Object.values(image.args)].join('\n'),
  })
  const prefix = tree.plan.images.length > 1 ? `${image.name} | ` : ''
  const asking = { signal, pull: image.pull, say: (line: string) => stage.log.say(`${prefix}${line}`) }
  const haveBase: BuildOrder['haveBase'] = (base, sinceMs) => registryImages.refresh(base, sinceMs, asking)
  const args = { ...image.args, ...baseArguments(engine, run, image) }
  // Before the builder knows the Dockerfile, and looks the names up.
  const withBases = packed.then(async (context) => {
    const names = context.ok ? dockerfileImages(context.value.text, args).filter((name) => !refuse(name)) : []
    for (const name of names.slice(0, mostBases)) {
      const had = await haveBase(name, 0)
      if (!had.ok) return had
    }
    return context
  })
  const built = await buildImage(isIsolated ? withoutNetwork(engine) : engine, {
    image: image.name,
    context: { dockerfile: dockerfileName(image.dockerfile), packed: withBases },
    sharedKey: `${owner} ${image.name}`,
    cacheMounts: owner,
    ...(target ? { target } : {}),
    tags: [localName(engine, run, target ? `${image.name}-${target}` : image.name)],
    labels: labelsOf(image, { run, source: tree.url, url: config.url }),
    args,
    ...(image.secrets?.length ? { secrets: secrets.value, cacheScope: run.repo } : {}),
    ...(platform ? { platform } : {}),
    auths,
    refuse,
    haveBase,
    ...(limiter ? { steps: { ...config.limits.step, limiter } } : {}),
    signal,
    deadlineMs: Math.min(buildMs, tree.plan.timeoutMs ?? buildMs),
    onLine: (line) => stage.log.write(`${prefix}${line.text}\n`),
  })
  if (!built.ok) return built
  const { imageId } = built.value
  const bases = await basesOf(stage, engine, { image, built: built.value, auths })
  const ours = Object.values(image.from ?? {})
  for (const base of bases)
    if (!ours.includes(base.name)) await tellDigest(stage, store, `image ${image.name} is made from`, base)
  return done({ imageId, bases })
}

/** The Dockerfile; that there is none is told by the build. */
const dockerfileOf = (packed: Promise<Outcome<BuildContext>>): Promise<string> =>
  packed.then(
    (context) => (context.ok ? context.value.text : ''),
    () => '',
  )

const withoutNetwork = (engine: Engine): Engine => ({
  ...engine,
  work: { subnet: '', ...engine.work, egress: 'none' },
})

/** What the image was made from; other images of the run by their names in the plan. */
async function basesOf(
  { run, signal }: StageContext,
  engine: Engine,
  { image, built, auths }: { image: PlannedImage; built: Built; auths: RegistryCredentials },
): Promise<RunBase[]> {
  const own = new Map(
    Object.values(image.from ?? {}).map((base) => [`docker.io/${localName(engine, run, base)}`, base]),
  )
  const bases: RunBase[] = []
  for (const name of built.bases.slice(0, mostBases)) {
    const base = await resolveBase(engine, name, auths, signal)
    bases.push({ ...base, name: own.get(base.name) ?? base.name })
  }
  return bases
}
