import { checkWaves } from '@taxiway/domain/environment/waves.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { withReferences } from '@taxiway/domain/plan/strategy.ts'
import { done, type Outcome, refuseAll } from '@taxiway/domain/reason.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { checkAnalysis } from '../policy/analysis.ts'
import { judge } from '../policy/policy.ts'
import { checkImages } from '../release/gone-image.ts'
import { renderJobs } from '../release/jobs.ts'
import { claimGeneration } from '../release/record.ts'
import { recover } from '../release/recover.ts'
import type { Ordered, ReleaseDeps } from '../roll-out.ts'
import { nameByContent } from './config-hash.ts'
import { takeHooks } from './hook-jobs.ts'
import { askRegistry, referencesOf, resolveImages } from './images.ts'
import type { Place } from './place.ts'
import { fillHosts } from './preview-hosts.ts'
import { pullHosts } from './pulls.ts'
import { render } from './render.ts'
import { nameOf, readSource } from './source.ts'
import { storedOrder } from './stored-order.ts'

/** The objects of the release, with digests put in, under the next generation; checked against what is allowed here. */
export async function makeOrder(
  stage: StageContext,
  deps: ReleaseDeps,
  place: Place,
  work: Work,
): Promise<Outcome<Ordered>> {
  const { run } = stage
  const { environment } = deps
  const { target, namespace, cluster, rules, isShared } = place
  if (run.event === 'rollback') return makeRollback(stage, deps, place, work)
  const source = await readSource(stage, deps, place, work)
  if (!source.ok) return source
  const { secrets } = source.value
  const documents = fillHosts(source.value.documents, environment.preview?.number)
  const where = { repositoryId: run.repo, environment: environment.name, namespace, ...(cluster ? { cluster } : {}) }
  const preview = environment.preview?.number
  const live = await target.live(where, work)
  if (!live.ok) return live
  const repository = await deps.store.repositories.read(run.repo)
  // What is called after it keeps its name when the repository gets another.
  const named = { ...where, repositoryName: repository?.registeredAs ?? run.repository }
  const recovered = live.value ? await recover(stage, deps, target, named, work) : done(undefined)
  if (!recovered.ok) return recovered
  const generation = await claimGeneration(stage, deps, live.value?.generation ?? 0)
  const release = {
    ...named,
    runId: run.id,
    sha: run.sha,
    generation,
    ...(preview === undefined ? {} : { preview }),
    ...(rules.pods ? { pods: rules.pods } : {}),
    ...(environment.restarts === undefined ? {} : { restarts: environment.restarts }),
    // Nobody has looked at a preview's code.
    ...((rules.adopt || run.asked?.adopt) && preview === undefined ? { adopt: [] } : {}),
  }
  const references = referencesOf(run)
  const built = new Set(Object.keys(references).filter((name) => name.includes('/')))
  // A document with its hosts filled in is another one.
  const fileOf = (document: unknown) => source.value.fileOf?.(source.value.documents[documents.indexOf(document)])
  const judged = judge(documents, namespace, { ...rules, isShared, given: secrets, built }, fileOf)
  if (!judged.ok) return judged
  const { objects, reasons, titleOf } = judged.value
  const digestOf = registryOf(stage, deps)
  const images = await resolveImages(objects, { references, rules, titleOf, digestOf, say: stage.log.say })
  const waves = checkWaves(objects, environment.strategy?.kind)
  const refused = refuseAll([...reasons, ...images.reasons, ...(waves.ok ? [] : [waves.reason])])
  if (refused) return refused
  const contents = environment.configHash ? nameByContent(objects) : objects
  const pulled = await pullHosts(
    {
      objects,
      references: [...Object.values(references), ...Object.values(images.resolved)],
      hosts: Object.keys(await deps.store.registries.credentials(deps.config.registry)),
      target,
      namespace,
    },
    work,
  )
  if (!pulled.ok) return pulled
  const context = { ...release, references, resolved: images.resolved, pullHosts: pulled.value }
  const rendered = render(contents, context)
  if (!rendered.ok) return rendered
  const jobs = renderJobs(source.value.jobs, context)
  if (!jobs.ok) return jobs
  const taken = takeHooks(rendered.value.objects, source.value.hooks, {
    nameOf: (when, name) => nameOf(stage, deps, `hook ${when}`, name),
    timeoutMs: environment.timeoutMs,
  })
  const all = [...jobs.value, ...taken.jobs]
  const order = { ...release, ...rendered.value, objects: taken.objects, ...(secrets.length > 0 ? { secrets } : {}) }
  if (!environment.strategy) return done({ order, jobs: all })
  const analysis = checkAnalysis(environment.strategy, namespace, { ...rules, isShared })
  if (!analysis.ok) return analysis
  const strategy = withReferences(environment.strategy, references, source.value.told)
  return strategy.ok ? done({ order: { ...order, strategy: strategy.value }, jobs: all }) : strategy
}

const registryOf = ({ signal }: StageContext, { store, config }: ReleaseDeps) =>
  askRegistry(() => store.registries.credentials(config.registry), signal)

/** What an earlier release had, under the next generation. */
async function makeRollback(
  stage: StageContext,
  deps: ReleaseDeps,
  place: Place,
  work: Work,
): Promise<Outcome<Ordered>> {
  const order = await storedOrder(stage, deps, place)
  if (!order.ok) return order
  // An engine that has the images needs no registry.
  if (place.target.kind === 'kubernetes') {
    const kept = await checkImages(order.value, { digestOf: registryOf(stage, deps), say: stage.log.say })
    if (!kept.ok) return kept
  }
  const live = await place.target.live(order.value, work)
  if (!live.ok) return live
  const generation = await claimGeneration(stage, deps, live.value?.generation ?? 0)
  return done({ order: { ...order.value, generation }, jobs: [] })
}
