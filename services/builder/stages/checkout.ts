import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Config } from '@taxiway/chassis/config.ts'
import { dockerfileStages } from '@taxiway/docker/dockerfile.ts'
import type { Digest, Sha } from '@taxiway/domain/ids.ts'
import { checkInputs } from '@taxiway/domain/inputs.ts'
import { eventOf, refOf } from '@taxiway/domain/origin.ts'
import { implyPlan, makePlan, type Plan, type PlanContext } from '@taxiway/domain/plan.ts'
import { readPipeline } from '@taxiway/domain/read-pipeline.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Repository } from '@taxiway/domain/repository.ts'
import { fetchCommit, type Mirror } from '@taxiway/git/mirror.ts'
import { exportTree, listFiles, listTree, readBlob, type TreeFile } from '@taxiway/git/tree.ts'
import { patiently } from '@taxiway/store/connection.ts'
import type { StageContext } from '@taxiway/store/stage.ts'
import type { Store } from '@taxiway/store/store.ts'
import { parseYaml } from '@taxiway/yaml/parse.ts'

export interface CheckoutDeps {
  config: Config
  /** Where the files go. */
  folder: string
  store: Store
  token: Promise<string | undefined>
}
/** The commit's files, and what is to be done with them. */
export interface Tree {
  folder: string
  plan: Plan
  /** Where the commit came from. */
  url: string
  /** Digest of its pipeline file, if it has one. */
  pipeline?: Digest
  /** All files and what they hold. */
  files: TreeFile[]
}
const fetchMs = 5 * 60_000
const maxFiles = 200_000
const maxConfigBytes = 256 * 1024

/** Fetches exactly the pushed commit, reads its pipeline, and lays its files out in the workspace. */
export async function checkout(stage: StageContext, deps: CheckoutDeps): Promise<Outcome<Tree>> {
  const { run, signal, log } = stage
  const repository = await patiently(() => deps.store.repositories.read(run.repo))
  const token = await deps.token
  if (!repository) return refuse('not_found', { what: 'repository' })
  const mirror = await fetchCommit({
    folder: join(deps.config.dataFolder, 'mirrors'),
    repositoryId: run.repo,
    url: repository.url,
    ...(token ? { token } : {}),
    sha: run.sha,
    ref: refOf(run),
    limits: { maxMb: deps.config.limits.cloneMb, deadlineMs: fetchMs },
    allowedOrigins: deps.config.allowedOrigins,
    signal,
    onLine: (line) => log.say(line),
  })
  if (!mirror.ok) return mirror
  const plan = run.plan ? done(run.plan) : await readPlan(mirror.value, stage, repository)
  if (!plan.ok) return plan
  const exported = await exportTree(mirror.value, run.sha, deps.folder, {
    maxFiles,
    maxMb: deps.config.limits.cloneMb,
    signal,
  })
  if (!exported.ok) return exported
  if (!run.plan) await stage.record({ type: 'planned', plan: plan.value })
  log.say(`commit ${run.sha.slice(0, 12)} of ${refOf(run)}: ${plan.value.ignored ?? summary(plan.value)}`)
  return done({
    folder: deps.folder,
    plan: plan.value,
    url: repository.url,
    ...(await contentOf(mirror.value, stage)),
  })
}

/** What builds, keys and statements of origin are made from. */
async function contentOf(mirror: Mirror, { run, signal }: StageContext): Promise<Pick<Tree, 'pipeline' | 'files'>> {
  const [file, files] = await Promise.all([
    readBlob(mirror, run.sha, '.taxiway.yaml', { maxBytes: maxConfigBytes, signal }),
    listFiles(mirror, run.sha, { signal }),
  ])
  if (!file.ok) return { files }
  return { files, pipeline: `sha256:${createHash('sha256').update(file.value).digest('hex')}` as Digest }
}

const summary = ({ images, tests, environments }: Plan) =>
  `${images.length} image(s), ${tests.length} test(s), ${environments.length === 0 ? 'no deploy' : `deploy to ${environments.map(({ name }) => name).join(', ')}`}`

/** The pipeline file of this very commit, or what the commit implies without one. */
async function readPlan(mirror: Mirror, { run, signal }: StageContext, repository: Repository): Promise<Outcome<Plan>> {
  const context: PlanContext = {
    repository: run.repository,
    event: eventOf(run),
    branch: run.branch,
    sha: run.sha,
    number: run.number,
    ...(run.tag ? { tag: run.tag } : {}),
    ...(run.pullRequest ? { base: run.pullRequest.base } : {}),
    ...(run.trusted === undefined ? {} : { trusted: run.trusted }),
    ...(run.inputs ? { inputs: run.inputs } : {}),
    ...(run.changed ? { changed: run.changed } : {}),
    ...(run.defaultBranch ? { defaultBranch: run.defaultBranch } : {}),
    ...(repository.deploy.namespace ? { namespace: repository.deploy.namespace } : {}),
  }
  const paths = await listTree(mirror, run.sha, { signal })
  if (paths.includes('.taxiway.yaml')) return readPipelineFile(mirror, run.sha, context, signal)
  if (!paths.includes('Dockerfile')) return refuse('nothing_to_do')
  const [input] = Object.keys(context.inputs ?? {})
  if (input !== undefined)
    return refuse('input_invalid', { detail: `${input} is no input: the commit has no .taxiway.yaml` })
  const dockerfile = await readBlob(mirror, run.sha, 'Dockerfile', { maxBytes: maxConfigBytes, signal })
  if (!dockerfile.ok) return dockerfile
  return done(
    implyPlan(
      {
        dockerfileStages: dockerfileStages(dockerfile.value.toString()),
        hasManifests: paths.some((path) => path.startsWith('k8s/')),
      },
      context,
    ),
  )
}

async function readPipelineFile(
  mirror: Mirror,
  sha: Sha,
  context: PlanContext,
  signal: AbortSignal,
): Promise<Outcome<Plan>> {
  const file = await readBlob(mirror, sha, '.taxiway.yaml', { maxBytes: maxConfigBytes, signal })
  if (!file.ok) return file
  const parsed = await parseYaml(file.value, {
    refusal: (detail) => refuse('config_invalid', { detail }),
    documents: 'one',
  })
  if (!parsed.ok) return parsed
  const pipeline = readPipeline(parsed.value.documents[0]?.value, (path) => parsed.value.documents[0]?.lineOf(path))
  if (!pipeline.ok) return pipeline
  if (context.event !== 'manual') return makePlan(pipeline.value, context)
  const inputs = checkInputs(pipeline.value, context.inputs ?? {})
  return inputs.ok ? makePlan(pipeline.value, { ...context, inputs: inputs.value }) : inputs
}
