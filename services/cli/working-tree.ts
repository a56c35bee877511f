import { access, readdir, readFile, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { dockerfileStages } from '@taxiway/docker/build/dockerfile.ts'
import { adviceFor } from '@taxiway/domain/pipeline/advice.ts'
import { misnamedPipeline, pipelineFile } from '@taxiway/domain/pipeline/file-name.ts'
import { lintContext } from '@taxiway/domain/pipeline/lint-context.ts'
import { missingIn } from '@taxiway/domain/pipeline/missing.ts'
import type { Pipeline } from '@taxiway/domain/pipeline/pipeline.ts'
import { type FileProblem, type InvalidFile, invalidFile, locate } from '@taxiway/domain/pipeline/read.ts'
import type { PlanContext } from '@taxiway/domain/plan/context.ts'
import { implyPlan, makePlan, type Plan } from '@taxiway/domain/plan/plan.ts'
import { variablesOf } from '@taxiway/domain/plan/variables.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { PlanEvent } from '@taxiway/domain/run/cause.ts'
import { git } from '@taxiway/git/git.ts'
import { readPipelineFile } from '@taxiway/yaml/pipeline-file.ts'

/** The folder that a command works on. */
export interface WorkingTree {
  root: string
  /** Its pipeline file, if it has one. */
  file?: string
  branch?: string
  defaultBranch?: string
  sha?: string
}
/** What is planned for a tree, and what it was made from. */
export interface TreePlan {
  plan: Plan
  pipeline?: Pipeline
  /** What is right as it stands, and likely not meant. */
  advice?: FileProblem[]
}
/** What the plan is asked for. */
export interface PlanFor {
  branch?: string | undefined
  event?: PlanEvent | undefined
  /** As if every push started a run: `on` is left out. */
  ignoreOn?: boolean
}

/** Finds the tree: the folder of the given file, else the nearest one upwards with a pipeline file, `.git` or a Dockerfile. */
export async function findTree(from: string, file?: string): Promise<WorkingTree> {
  if (file !== undefined) {
    const path = resolve(from, file)
    return { root: dirname(path), file: path, ...(await headOf(await upwards(dirname(path), '.git'))) }
  }
  const withFile = await upwards(from, pipelineFile)
  const root = withFile ?? (await upwards(from, '.git')) ?? (await upwards(from, 'Dockerfile')) ?? from
  return {
    root,
    ...(withFile ? { file: join(root, pipelineFile) } : {}),
    ...(await headOf(await upwards(root, '.git'))),
  }
}

/** What the tree is, as the commit of a run would be. */
export const contextOf = (tree: WorkingTree, wanted: PlanFor = {}): PlanContext => ({
  ...lintContext({
    repository: `local/${basename(tree.root)}`,
    branch: wanted.branch ?? (wanted.event === 'tag' ? undefined : tree.branch),
    event: wanted.event,
  }),
  ...(tree.sha ? { sha: tree.sha } : {}),
  ...(tree.defaultBranch ? { defaultBranch: tree.defaultBranch } : {}),
})

/** Reads the pipeline, or what the tree implies without one. A refusal names the line of the file where it is known. */
export async function planTree(tree: WorkingTree, wanted: PlanFor): Promise<Outcome<TreePlan> | InvalidFile> {
  const known = contextOf(tree, wanted)
  const context = { ...known, variables: variablesOf(known) }
  const misnamed = await misnamedIn(tree)
  if (misnamed !== undefined) return refuse('config_misnamed', misnamed)
  if (tree.file === undefined) return planImplied(tree, context)
  const text = await readFile(tree.file).catch(() => undefined)
  if (text === undefined) return refuse('file_not_found', { path: tree.file })
  const read = await readPipelineFile(text)
  if (!read.ok) return read
  // Whoever runs a tree sees what is missing of what is built, and deploys nothing.
  const isLinted = basename(tree.file) === pipelineFile && !wanted.ignoreOn
  const has = (path: string) => isIn(tree.root, path)
  const missing = isLinted ? await missingIn(read.value.pipeline, has) : []
  if (missing.length > 0) return invalidFile(locate(missing, read.value.placeOf))
  const { on, ...rest } = read.value.pipeline
  const pipeline: Pipeline = wanted.ignoreOn || !on ? rest : read.value.pipeline
  const plan = makePlan(pipeline, context)
  if (!plan.ok) return plan
  const advice = isLinted ? locate(await adviceFor(pipeline, has), read.value.placeOf) : []
  return done({ plan: plan.value, pipeline, ...(advice.length > 0 ? { advice } : {}) })
}

const isIn = (root: string, path: string): Promise<boolean> =>
  access(join(root, path)).then(
    () => true,
    () => false,
  )

/** What the server would refuse: it knows the commit, this only the root and its folders of files for CI. */
async function misnamedIn({ root, file }: WorkingTree): Promise<{ found: string; beside: boolean } | undefined> {
  const name = file === undefined ? undefined : basename(file)
  const names = name === undefined || name === pipelineFile ? await filesAt(root) : [name]
  const found = misnamedPipeline(names)
  return found === undefined ? undefined : { found, beside: names.includes(pipelineFile) }
}

async function filesAt(root: string): Promise<string[]> {
  const entries = await readdir(root, { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory() && entry.name.startsWith('.') && entry.name !== '.git')
  const below = await Promise.all(
    folders.map(async ({ name }) => (await readdir(join(root, name)).catch(() => [])).map((one) => `${name}/${one}`)),
  )
  return [...entries.filter((entry) => entry.isFile()).map(({ name }) => name), ...below.flat()]
}

async function planImplied(tree: WorkingTree, context: PlanContext): Promise<Outcome<TreePlan>> {
  const dockerfile = await readFile(join(tree.root, 'Dockerfile'), 'utf8').catch(() => undefined)
  if (dockerfile === undefined) return refuse('nothing_to_do')
  const hasManifests = (await kindOf(join(tree.root, 'k8s'))) === 'folder'
  return done({ plan: implyPlan({ dockerfileStages: dockerfileStages(dockerfile), hasManifests }, context) })
}

/** The nearest folder upwards that has an entry of this name. */
async function upwards(from: string, name: string): Promise<string | undefined> {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    if (await kindOf(join(folder, name))) return folder
    if (folder === dirname(folder)) return undefined
  }
}

async function kindOf(path: string): Promise<'folder' | 'file' | undefined> {
  const found = await stat(path).catch(() => undefined)
  return found && (found.isDirectory() ? 'folder' : 'file')
}

/** Branch and commit that are checked out, as far as there are any. */
async function headOf(root: string | undefined): Promise<Partial<WorkingTree>> {
  if (root === undefined) return {}
  const dotGit = join(root, '.git')
  // In a worktree, .git is a file that names the folder.
  const link = (await kindOf(dotGit)) === 'file' ? await readFile(dotGit, 'utf8') : ''
  const folder = resolve(root, link.match(/^gitdir: (.+)$/m)?.[1] ?? '.git')
  const ask = async (...args: string[]) => {
    const { exitCode, stdout } = await git(args, { folder, deadlineMs: 10_000 })
    return exitCode === 0 ? stdout.toString().trim() : ''
  }
  const branch = await ask('symbolic-ref', '--quiet', '--short', 'HEAD')
  const sha = await ask('rev-parse', '--verify', '--quiet', 'HEAD')
  const remote = await ask('symbolic-ref', '--quiet', '--short', 'refs/remotes/origin/HEAD')
  const defaultBranch = remote.replace(/^origin\//, '')
  return { ...(branch && { branch }), ...(sha && { sha }), ...(defaultBranch && { defaultBranch }) }
}
