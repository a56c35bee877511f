import { join } from 'node:path'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { refOf } from '@taxiway/domain/run/origin.ts'
import type { FetchOrder, Mirror } from '@taxiway/git/fetch-order.ts'
import { fetchCommit } from '@taxiway/git/mirror.ts'
import { listTree, parseRepoPath, readBlob } from '@taxiway/git/tree.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { patienceOf } from '@taxiway/yaml/parse.ts'
import type { ChartHook } from '../programs/chart-hooks.ts'
import { withCopy } from '../programs/copy.ts'
import { kustomizationNames } from '../programs/kustomization.ts'
import { buildKustomization } from '../programs/kustomize.ts'
import { type Manifest, maxManifestBytes, parseBuilt, parseManifest } from '../programs/manifest.ts'
import type { ReleaseDeps } from '../roll-out.ts'
import { readChart } from './chart.ts'
import { chooseFiles, some } from './manifest-files.ts'
import type { Place } from './place.ts'

const fetchMs = 5 * 60_000
const maxMb = 2048
/** What a release is made from, and which of it are hooks of a chart. */
export interface ReadManifests {
  manifests: Manifest[]
  hooks: ChartHook[]
}

/**
 * The YAML documents of the environment's manifests, as they are in the run's commit: files in order of their names, or what a
 * kustomization or a Helm chart makes.
 */
export async function readManifests(
  stage: StageContext,
  deps: ReleaseDeps,
  place: Place,
  work: Work,
): Promise<Outcome<ReadManifests>> {
  const { run, signal } = stage
  const { environment } = deps
  const path = parseRepoPath(environment.manifests)
  if (!path.ok) return path
  const mirror = await fetchMirror(stage, deps)
  if (!mirror.ok) return mirror
  const prefix = path.value === '.' ? '' : `${path.value}/`
  const all = await listTree(mirror.value, run.sha, { signal })
  const has = (name: string) => all.includes(`${prefix}${name}`)
  const copy = { mirror: mirror.value, sha: run.sha, place: join(deps.config.dataFolder, 'rendering'), signal }
  if (kustomizationNames.some(has)) {
    const built = await withCopy(copy, (made) => buildKustomization(made, path.value, { say: stage.log.say, signal }))
    return built.ok ? withoutHooks(await parseBuilt(built.value, path.value, patienceOf(run))) : built
  }
  if (has('Chart.yaml')) return readChart(stage, deps, place, { path: path.value, copy }, work)
  if (environment.values || environment.set || environment.images)
    return refuse('file_not_found', {
      path: `${prefix}Chart.yaml (values, set and images are for charts)`,
    })
  const found = chooseFiles(all, path.value)
  if (!found.ok) return found
  if (found.value.left.length > 0)
    stage.log.say(`not read as manifests, which end in .yaml, .yml or .json: ${some(found.value.left)}`)
  return withoutHooks(await readFiles(stage, mirror.value, found.value.files))
}

const withoutHooks = (read: Outcome<Manifest[]>): Outcome<ReadManifests> =>
  read.ok ? done({ manifests: read.value, hooks: [] }) : read

async function fetchMirror(stage: StageContext, deps: ReleaseDeps): Promise<Outcome<Mirror>> {
  const order = await fetchOrder(stage, deps)
  return order.ok ? fetchCommit(order.value) : order
}

/** How the run's commit, and what belongs to it, is fetched. */
export async function fetchOrder({ run, signal }: StageContext, deps: ReleaseDeps): Promise<Outcome<FetchOrder>> {
  const repository = await deps.store.repositories.read(run.repo)
  if (!repository) return refuse('not_found', { what: 'repository' })
  return done({
    folder: join(deps.config.dataFolder, 'mirrors'),
    repositoryId: run.repo,
    url: repository.url,
    ...(deps.token ? { token: deps.token } : {}),
    sha: run.sha,
    ref: refOf(run),
    limits: { maxMb, deadlineMs: fetchMs },
    allowedOrigins: deps.config.allowedOrigins,
    signal,
  })
}

async function readFiles(
  { run, signal, log }: StageContext,
  mirror: Mirror,
  files: string[],
): Promise<Outcome<Manifest[]>> {
  const manifests: Manifest[] = []
  let left = maxManifestBytes
  for (const file of files) {
    const text = await readBlob(mirror, run.sha, file, { maxBytes: maxManifestBytes, signal })
    if (!text.ok) return text
    left -= text.value.length
    if (left < 0)
      return refuse('manifest_invalid', {
        object: file,
        detail: `with it the manifests have more than ${maxManifestBytes / 2 ** 20} MiB`,
      })
    const parsed = await parseManifest(text.value, file, { patienceMs: patienceOf(run) })
    if (!parsed.ok) return parsed
    const objection = objectionTo(file, parsed.value)
    if (objection === 'other') log.say(`${file} is not taken: without apiVersion and kind it is no manifest`)
    else if (objection) return refuse('manifest_invalid', { object: file, detail: objection })
    else manifests.push(...parsed.value)
  }
  return done(manifests)
}

/** What is JSON without being a manifest may lie there for others; of YAML that is a mistake. */
function objectionTo(file: string, documents: readonly Manifest[]): string | 'other' | undefined {
  const fields = documents.map(({ value }) =>
    ['apiVersion', 'kind'].filter((key) => typeof Object(value)[key] === 'string'),
  )
  if (file.endsWith('.json') && fields.every(({ length }) => length === 0)) return 'other'
  return fields.every(({ length }) => length === 2)
    ? undefined
    : 'apiVersion or kind is missing; if it is no manifest, keep it out of the folder'
}
