import type { Work } from '@taxiway/domain/environment/work.ts'
import { slug } from '@taxiway/domain/plan/parts.ts'
import { done, type Outcome, reason } from '@taxiway/domain/reason.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { patienceOf } from '@taxiway/yaml/parse.ts'
import { type ChartHook, chartParts } from '../programs/chart-hooks.ts'
import { imageValues } from '../programs/chart-images.ts'
import { withCopy } from '../programs/copy.ts'
import { type ChartOrder, renderChart } from '../programs/helm.ts'
import { inKnownVersions } from '../programs/known-apis.ts'
import { type Manifest, parseBuilt } from '../programs/manifest.ts'
import type { ReleaseDeps } from '../roll-out.ts'
import type { Place } from './place.ts'

/** Where a chart lies, and how its commit is copied. */
interface ChartPlace {
  path: string
  copy: Parameters<typeof withCopy>[0]
}

/** What a chart of the commit makes for its place: the objects, and the hooks that are due. What is left out is told. */
export async function readChart(
  stage: StageContext,
  deps: ReleaseDeps,
  place: Place,
  { path, copy }: ChartPlace,
  work: Work,
): Promise<Outcome<{ manifests: Manifest[]; hooks: ChartHook[] }>> {
  const { run, log, signal } = stage
  const order = await chartOrder(stage, deps, place, path, work)
  if (!order.ok) return order
  const { apiVersions, isUpgrade } = order.value
  const knows = (kind: string) => apiVersions?.includes(kind) ?? true
  const rendered = await withCopy(copy, (made) => renderChart(made, order.value, { say: log.say, signal }))
  if (!rendered.ok) return rendered
  const documents = await parseBuilt(rendered.value, path, patienceOf(run))
  if (!documents.ok) return documents
  const parts = chartParts(documents.value, { isUpgrade, knows: (kind) => apiVersions?.includes(kind) ?? false })
  for (const line of parts.told) log.say(line)
  if (parts.left.length > 0) {
    const note = reason('chart_left_out', { chart: path, what: parts.left.join('; ') })
    log.say(note.message)
    await stage.record({ type: 'noted', reason: note })
  }
  const manifests = inKnownVersions(parts.manifests, { knows, chart: path, say: log.say })
  return manifests.ok ? done({ manifests: manifests.value, hooks: parts.hooks }) : manifests
}

/** One machine is taken for a new cluster. */
async function chartOrder(
  { run }: StageContext,
  { environment }: ReleaseDeps,
  { target, namespace, cluster }: Place,
  path: string,
  work: Work,
): Promise<Outcome<ChartOrder>> {
  const ground = await target.ground(work)
  if (!ground.ok) return ground
  const known = target.apiVersions ? await target.apiVersions(work) : done(undefined)
  if (!known.ok) return known
  const where = { repositoryId: run.repo, environment: environment.name, namespace, ...(cluster ? { cluster } : {}) }
  const live = await target.live(where, work)
  if (!live.ok) return live
  const minor = ground.value.kind === 'kubernetes' ? ground.value.minor : Number.POSITIVE_INFINITY
  return done({
    path,
    values: environment.values ?? [],
    set: { ...imageValues(environment.images ?? {}, run.images, `run-${run.number}`), ...environment.set },
    namespace,
    release: environment.release ?? slug(run.repository.split('/')[1] ?? ''),
    isUpgrade: live.value !== undefined,
    ...(known.value ? { apiVersions: known.value } : {}),
    ...(Number.isFinite(minor) ? { kubeVersion: `1.${minor}.0` } : {}),
  })
}
