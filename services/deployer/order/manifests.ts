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
import { chooseFiles, some } from './manifest-files.ts'

const fetchMs = 5 * 60_000
const maxMb = 2048
/** Of all manifests of a release, as they are written or as a program makes them: a ConfigMap may have 1 MiB. */
const maxBytes = 8 * 2 ** 20
const cpuMs = 10_000

/** A document of the manifests, and the file that it is in, or that it was made from. */
export interface Manifest {
  value: unknown
  file: string
}

/**
 * The YAML documents of the environment's manifests, as they are in the run's commit: files in order of their names, or what a
 * kustomization or a Helm chart makes.
 */
export async function readManifests(
  stage: StageContext,
  deps: ReleaseDeps,
  target: Target,
  work: Work,
): Promise<Outcome<Manifest[]>> {
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
  const found = chooseFiles(all, path.value)
  if (!found.ok) return found
  if (found.value.left.length > 0)
    stage.log.say(`not read as manifests, which end in .yaml, .yml or .json: ${some(found.value.left)}`)
  return readFiles(stage, mirror.value, found.value.files)
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

async function readFiles(
  { run, signal, log }: StageContext,
  mirror: Mirror,
  files: string[],
): Promise<Outcome<Manifest[]>> {
  const manifests: Manifest[] = []
  let left = maxBytes
  for (const file of files) {
    const text = await readBlob(mirror, run.sha, file, { maxBytes, signal })
    if (!text.ok) return text
    left -= text.value.length
    if (left < 0)
      return refuse('manifest_invalid', {
        object: file,
        detail: `with it the manifests have more than ${maxBytes / 2 ** 20} MiB`,
      })
    const parsed = await parseManifest(text.value, file, '', patienceOf(run))
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

/** The documents of a text that was made; `# Source: chart/templates/web.yaml` says from what, where Helm made it. */
async function parseBuilt(text: Buffer, path: string, patienceMs: number): Promise<Outcome<Manifest[]>> {
  const manifests: Manifest[] = []
  for (const part of text.toString().split(/^(?=---\n# Source: )/m)) {
    const source = /^---\n# Source: [^/\n]+\/(.+)/.exec(part)?.[1]
    const file = source === undefined ? path : join(path, source)
    const parsed = await parseManifest(Buffer.from(part), file, 'what is made of it: ', patienceMs)
    if (!parsed.ok) return parsed
    manifests.push(...parsed.value)
  }
  return done(manifests)
}

async function parseManifest(text: Buffer, file: string, of: string, patienceMs: number): Promise<Outcome<Manifest[]>> {
  const parsed = await parseYaml(text, {
    refusal: (detail) => refuse('manifest_invalid', { object: file, detail: `${of}${detail}` }),
    documents: 'many',
    dialect: 'kubectl',
    maxBytes,
    cpuMs,
    patienceMs,
  })
  return parsed.ok ? done(parsed.value.documents.map(({ value }) => ({ value, file }))) : parsed
}
