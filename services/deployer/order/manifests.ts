import { join } from 'node:path'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { slug } from '@taxiway/domain/plan/parts.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { refOf } from '@taxiway/domain/run/origin.ts'
import type { Mirror } from '@taxiway/git/fetch-order.ts'
import { fetchCommit } from '@taxiway/git/mirror.ts'
import { listTree, parseRepoPath, readBlob } from '@taxiway/git/tree.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { parseYaml, patienceOf } from '@taxiway/yaml/parse.ts'
import { withCopy } from '../programs/copy.ts'
import { type ChartOrder, renderChart } from '../programs/helm.ts'
import { kustomizationNames } from '../programs/kustomization.ts'
import { buildKustomization } from '../programs/kustomize.ts'
import type { ReleaseDeps } from '../roll-out.ts'

const fetchMs = 5 * 60_000
const maxMb = 2048
const maxFiles = 100
const maxBytes = 256 * 1024
const maxBuiltBytes = 8 * 2 ** 20
const builtCpuMs = 10_000

/**
 * The YAML documents of the environment's manifests, as they are in the run's commit: files in order of their names, or what a
 * kustomization or a Helm chart makes.
 */
export async function readManifests(
  stage: StageContext,
  deps: ReleaseDeps,
  target: Target,
  work: Work,
): Promise<Outcome<unknown[]>> {
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
    return built.ok ? parseBuilt(built.value, path.value, patienceOf(run)) : built
  }
  if (has('Chart.yaml')) {
    const chart = await chartOrder(stage, deps, path.value, target, work)
    if (!chart.ok) return chart
    const built = await withCopy(copy, (made) => renderChart(made, chart.value, { say: stage.log.say, signal }))
    return built.ok ? parseBuilt(built.value, path.value, patienceOf(run)) : built
  }
  if (environment.values) return refuse('file_not_found', { path: `${prefix}Chart.yaml, which values are for,` })
  const files = all.filter((file) => (file.startsWith(prefix) || file === path.value) && /\.ya?ml$/.test(file)).sort()
  if (files.length === 0 || files.length > maxFiles)
    return refuse('file_not_found', { path: `${path.value} (no manifest, or more than ${maxFiles})` })
  return readFiles(stage, mirror.value, files)
}

async function fetchMirror({ run, signal }: StageContext, deps: ReleaseDeps): Promise<Outcome<Mirror>> {
  const repository = await deps.store.repositories.read(run.repo)
  if (!repository) return refuse('not_found', { what: 'repository' })
  return fetchCommit({
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

async function readFiles({ run, signal }: StageContext, mirror: Mirror, files: string[]): Promise<Outcome<unknown[]>> {
  const documents: unknown[] = []
  for (const file of files) {
    const text = await readBlob(mirror, run.sha, file, { maxBytes, signal })
    if (!text.ok) return text
    const parsed = await parseYaml(text.value, {
      refusal: (detail) => refuse('manifest_invalid', { object: file, detail }),
      documents: 'many',
      patienceMs: patienceOf(run),
    })
    if (!parsed.ok) return parsed
    documents.push(...parsed.value.documents.map(({ value }) => value))
  }
  return done(documents)
}

/** One machine is taken for a new cluster. */
async function chartOrder(
  { run }: StageContext,
  { environment }: ReleaseDeps,
  path: string,
  target: Target,
  work: Work,
): Promise<Outcome<ChartOrder>> {
  const ground = await target.ground(work)
  if (!ground.ok) return ground
  const minor = ground.value.kind === 'kubernetes' ? ground.value.minor : Number.POSITIVE_INFINITY
  const { namespace, values = [] } = environment
  return done({
    path,
    values,
    namespace,
    release: environment.release ?? slug(run.repository.split('/')[1] ?? ''),
    ...(Number.isFinite(minor) ? { kubeVersion: `1.${minor}.0` } : {}),
  })
}

async function parseBuilt(text: Buffer, object: string, patienceMs: number): Promise<Outcome<unknown[]>> {
  const refusal = (detail: string) => refuse('manifest_invalid', { object, detail: `what is made of it: ${detail}` })
  const parsed = await parseYaml(text, {
    refusal,
    documents: 'many',
    maxBytes: maxBuiltBytes,
    cpuMs: builtCpuMs,
    patienceMs,
  })
  return parsed.ok ? done(parsed.value.documents.map(({ value }) => value)) : parsed
}
