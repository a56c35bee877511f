import type { Config } from '@taxiway/chassis/config.ts'
import type { Engine } from '@taxiway/docker/engine.ts'
import { engineId } from '@taxiway/docker/prune.ts'
import { pushImage } from '@taxiway/docker/registry.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { patiently } from '@taxiway/store/connection.ts'
import { registryHost } from '@taxiway/store/registries.ts'
import type { StageContext } from '@taxiway/store/stage.ts'
import type { Store } from '@taxiway/store/store.ts'

export interface PublishDeps {
  config: Config
  store: Pick<Store, 'registries' | 'pulledImages'>
  engine: Engine
  /** Image name -> image id. */
  images: Map<string, string>
}
const pushMs = 30 * 60_000

/** Pushes every image and records its digest. What an earlier attempt published is not pushed again. */
export async function publish(
  stage: StageContext,
  { config, store, engine, images }: PublishDeps,
): Promise<Outcome<void>> {
  const { prefix } = config.registry
  const auth = (await patiently(() => store.registries.credentials(config.registry)))[
    registryHost(prefix.split('/')[0] ?? '')
  ]
  for (const [name, imageId] of images) {
    const known = stage.run.images.find((image) => image.name === name)
    if (known?.digest && known.imageId === imageId) continue
    const repository = `${prefix}/${stage.run.repository.toLowerCase()}/${name}`
    const pushed = await pushImage(engine, {
      imageId,
      repository,
      tag: `run-${stage.run.number}`,
      ...(auth ? { auth } : {}),
      signal: stage.signal,
      deadlineMs: pushMs,
      onLine: (text) => stage.log.write(`${text}\n`),
    })
    if (!pushed.ok) return pushed
    const { digest } = pushed.value
    stage.log.say(`${name}: ${digest}`)
    // The engine keeps it under this name from now on.
    const engineName = await engineId(engine, stage.signal)
    await patiently(() => store.pulledImages.pulled(engineName, `${repository}@${digest}`))
    await stage.record({ type: 'image_published', image: name, digest, reference: `${repository}@${digest}` })
  }
  return done(undefined)
}
