import type { Config } from '@taxiway/chassis/config.ts'
import type { Digest } from '@taxiway/domain/ids.ts'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import { makeStatement, predicateType, statementType } from '@taxiway/domain/provenance.ts'
import { oneLine } from '@taxiway/domain/reason.ts'
import { eventOf, refOf } from '@taxiway/domain/run/origin.ts'
import type { RunBase } from '@taxiway/domain/run/parts.ts'
import { findStage, type Run } from '@taxiway/domain/run/run.ts'
import type { RegistryApi } from '@taxiway/registry/api.ts'
import { attach } from '@taxiway/registry/referrers.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import type { Tree } from '../tree.ts'

/** An image that was just pushed. */
export interface Pushed {
  image: PlannedImage
  bases: readonly RunBase[]
  /** host/prefix/name */
  name: string
  digest: Digest
}
export interface ProvenanceDeps {
  config: Pick<Config, 'url' | 'worker'>
  store: Pick<Store, 'provenance' | 'now'>
  tree: Pick<Tree, 'url' | 'pipeline'>
  /** The registry, and the image's name there. */
  api: RegistryApi
  repository: string
}

/**
 * States where an image comes from: keeps the statement with the run, and attaches it to the image where the registry takes it.
 * @returns the statement, and its digest in the registry
 */
export async function stateOrigin(
  stage: StageContext,
  { config, store, tree, api, repository }: ProvenanceDeps,
  { image, bases, name, digest }: Pushed,
): Promise<{ statement: string; provenance?: Digest }> {
  const { run } = stage
  const statement = JSON.stringify(
    makeStatement({
      name,
      digest,
      image,
      bases,
      source: { url: tree.url, ref: refOf(run), sha: run.sha },
      ...(tree.pipeline ? { pipeline: tree.pipeline } : {}),
      builder: `${config.url}/${encodeURIComponent(config.worker)}`,
      run: describe(run, config.url),
      startedOn: findStage(run, 'build')?.startedAt ?? run.startedAt ?? run.createdAt,
      finishedOn: store.now().toISOString(),
    }),
  )
  await store.provenance.keep(run.id, image.name, statement)
  try {
    const subject = await api.manifest(repository, digest)
    if (!subject) throw new Error('the registry does not show the image')
    const annotations = { 'in-toto.io/predicate-type': predicateType }
    const attachment = { type: statementType, bytes: Buffer.from(statement), annotations }
    return { statement, provenance: await attach(api, repository, subject, attachment) }
  } catch (error) {
    stage.signal.throwIfAborted()
    const why = oneLine((error as Error).message, 200)
    stage.log.say(`the provenance of ${image.name} is kept with the run only, as the registry did not take it: ${why}`)
    return { statement }
  }
}

const describe = (run: Run, url: string) => ({
  url: `${url}/runs/${run.id}`,
  id: run.id,
  number: run.number,
  attempt: run.attempt,
  event: eventOf(run),
})
