import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Config } from '@taxiway/chassis/config.ts'
import { dockerfileStages } from '@taxiway/docker/build/dockerfile.ts'
import type { Digest } from '@taxiway/domain/ids.ts'
import { misnamedPipeline, pipelineFile } from '@taxiway/domain/pipeline/file-name.ts'
import { checkInputs } from '@taxiway/domain/pipeline/inputs.ts'
import { asksForChanges, changedSince } from '@taxiway/domain/plan/changes.ts'
import type { PlanContext } from '@taxiway/domain/plan/context.ts'
import { implyPlan, makePlan, type Plan } from '@taxiway/domain/plan/plan.ts'
import { variablesOf } from '@taxiway/domain/plan/variables.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Repository } from '@taxiway/domain/repository.ts'
import { eventOf, refOf } from '@taxiway/domain/run/origin.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import { toldOf } from '@taxiway/domain/run/told.ts'
import { asksToSkip, matchesName } from '@taxiway/domain/trigger.ts'
import { changedFiles } from '@taxiway/git/changes.ts'
import { commitOf } from '@taxiway/git/commit.ts'
import type { FetchOrder, Mirror } from '@taxiway/git/fetch-order.ts'
import { fetchCommit } from '@taxiway/git/mirror.ts'
import { exportTree, readBlob, type TreeFile } from '@taxiway/git/tree.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { patienceOf } from '@taxiway/yaml/parse.ts'
import { readPipelineFile } from '@taxiway/yaml/pipeline-file.ts'
import { bringAsked } from '../bring-asked.ts'
import { keepTimes } from '../file-times.ts'
import { tellLeftOut } from '../tell-left-out.ts'
import type { Tree } from '../tree.ts'
import type { Workspace } from '../workspaces.ts'

export interface CheckoutDeps {
  config: Config
  /** Where the files go. */
  workspace: Workspace
  store: Store
}
const fetchMs = 5 * 60_000
const maxFiles = 200_000
const maxConfigBytes = 256 * 1024

/** Fetches exactly the pushed commit, reads its pipeline, and lays its files out in the workspace. */
export async function checkout(stage: StageContext, deps: CheckoutDeps): Promise<Outcome<Tree>> {
  const { signal, log } = stage
  let { run } = stage
  const { repositories } = deps.store
  const [repository, token] = await Promise.all([repositories.read(run.repo), repositories.token(run.repo)])
  if (!repository) return refuse('not_found', { what: 'repository' })
  const order: FetchOrder = {
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
  }
  const mirror = await fetchCommit(order)
  if (!mirror.ok) return mirror
  const commit = await commitOf(mirror.value, run.sha, signal)
  if (!commit) return refuse('commit_not_found', { sha: run.sha })
  if (commit.sha !== run.sha) {
    await stage.record({ type: 'commit_found', sha: commit.sha })
    run = { ...run, sha: commit.sha }
  }
  const folder = deps.workspace.tree
  deps.workspace.isHalf()
  const [files, file] = await Promise.all([
    exportTree(mirror.value, run.sha, folder, { maxFiles, maxMb: deps.config.limits.cloneMb, signal }),
    readBlob(mirror.value, run.sha, pipelineFile, { maxBytes: maxConfigBytes, signal }),
  ])
  if (!files.ok) return files
  deps.workspace.isWhole()
  const plan = run.plan
    ? done(run.plan)
    : // What is opened as a pull request asks by its newest commit; a person who runs it again asks for more.
      run.event === 'pull_request' && asksToSkip(commit.message)
      ? done(skippedPlan)
      : await readPlan({ order: { ...order, sha: run.sha }, mirror: mirror.value, files: files.value, file }, run, {
          ...stage,
          repository,
          url: deps.config.url,
        })
  if (!plan.ok) return plan
  if (!run.plan) await stage.record({ type: 'planned', plan: plan.value })
  await tellLeftOut(stage, mirror.value, files.value, plan.value.checkout ?? {})
  const checkedOut = { order: { ...order, sha: run.sha }, mirror: mirror.value, folder, plan: plan.value }
  const brought = await bringAsked({ ...checkedOut, files: files.value })
  if (!brought.ok) return brought
  const times = await keepTimes(`${folder}.times`, brought.value, Date.now())
  log.say(`commit ${run.sha.slice(0, 12)} of ${refOf(run)}: ${plan.value.ignored ?? summary(plan.value)}`)
  return done({
    folder,
    plan: plan.value,
    url: repository.url,
    files: brought.value,
    times,
    ...(file.ok ? { pipeline: digestOf(file.value) } : {}),
  })
}

const digestOf = (content: Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}` as Digest

const summary = ({ images, tests, environments }: Plan) =>
  `${images.length} image(s), ${tests.length} test(s), ${environments.length === 0 ? 'no deploy' : `deploy to ${environments.map(({ name }) => name).join(', ')}`}`

const skippedPlan: Plan = {
  images: [],
  tests: [],
  environments: [],
  ignored: 'the commit message asks to skip CI',
  isSkipped: true,
}

/** A commit: all its files, its pipeline file, and how it was fetched. */
interface Commit {
  order: FetchOrder
  mirror: Mirror
  files: TreeFile[]
  file: Outcome<Buffer>
}

/** The pipeline file of this very commit, or what the commit implies without one. */
async function readPlan(
  { order, mirror, files, file }: Commit,
  run: Run,
  { signal, log, repository, url }: Pick<StageContext, 'signal' | 'log'> & { repository: Repository; url: string },
): Promise<Outcome<Plan>> {
  const context: PlanContext = {
    repository: repository.registeredAs ?? run.repository,
    event: eventOf(run),
    branch: run.branch,
    sha: run.sha,
    number: run.number,
    variables: variablesOf(toldOf(run, { url, repositoryUrl: repository.url })),
    ...(run.tag ? { tag: run.tag } : {}),
    ...(run.pullRequest ? { base: run.pullRequest.base, pull: run.pullRequest.number } : {}),
    ...(run.trusted === undefined ? {} : { trusted: run.trusted }),
    ...(run.inputs ? { inputs: run.inputs } : {}),
    ...(run.changed ? { changed: run.changed } : {}),
    ...(run.defaultBranch ? { defaultBranch: run.defaultBranch } : {}),
    ...(repository.deploy.namespace ? { namespace: repository.deploy.namespace } : {}),
  }
  const has = (name: string) => files.some(({ path }) => path === name)
  const isRight = has(pipelineFile)
  // A link beside the right one is no second file.
  const candidates = files.filter(({ mode }) => !isRight || mode !== '120000')
  const misnamed = misnamedPipeline(candidates.map(({ path }) => path))
  if (misnamed !== undefined) return refuse('config_misnamed', { found: misnamed, beside: isRight })
  const since = changedSince(run)
  const findChanged = async () => {
    const changed = since && (await changedFiles(order, since))
    if (since) log.say(changed ? `${changed.length} files have changed` : 'what has changed is not known: all may have')
    return changed
  }
  if (isRight) return file.ok ? planOf(file.value, context, { patienceMs: patienceOf(run), findChanged, log }) : file
  if (!has('Dockerfile')) return refuse('nothing_to_do')
  const [input] = Object.keys(context.inputs ?? {})
  if (input !== undefined)
    return refuse('input_invalid', { detail: `${input} is no input: the commit has no .taxiway.yaml` })
  const dockerfile = await readBlob(mirror, run.sha, 'Dockerfile', { maxBytes: maxConfigBytes, signal })
  if (!dockerfile.ok) return dockerfile
  return done(
    implyPlan(
      {
        dockerfileStages: dockerfileStages(dockerfile.value.toString()),
        hasManifests: files.some(({ path }) => path.startsWith('k8s/')),
      },
      context,
    ),
  )
}

async function planOf(
  file: Buffer,
  known: PlanContext,
  {
    patienceMs,
    findChanged,
    log,
  }: { patienceMs: number; findChanged(): Promise<string[] | undefined>; log: StageContext['log'] },
): Promise<Outcome<Plan>> {
  const read = await readPipelineFile(file, { patienceMs })
  if (!read.ok) {
    // The reason tells the first.
    const problems = 'problems' in read ? read.problems : []
    for (const { line, message } of problems.slice(1)) log.say(`${line ? `line ${line}: ` : ''}${message}`)
    return read
  }
  const { pipeline } = read.value
  const changed = known.changed ?? (asksForChanges(pipeline, known) ? await findChanged() : undefined)
  const context = { ...known, ...(changed ? { changed } : {}) }
  if (context.event !== 'manual') return makePlan(pipeline, context)
  // A tag that the file names may be run by hand without more: git hosts do not tell of each.
  const { tag } = context
  if (tag !== undefined && !pipeline.on?.manual && matchesName(tag, pipeline.on?.tag ?? []))
    return makePlan(pipeline, { ...context, event: 'tag' })
  const inputs = checkInputs(pipeline, context.inputs ?? {})
  return inputs.ok ? makePlan(pipeline, { ...context, inputs: inputs.value }) : inputs
}
