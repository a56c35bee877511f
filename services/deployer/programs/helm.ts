import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { parseRepoPath } from '@taxiway/git/tree.ts'
import { unpackCharts } from './chart-archives.ts'
import { type Copy, kindOf } from './copy.ts'
import { helmProblem } from './helm-problem.ts'
import { findProgram, type Rendering, runProgram, whyEnded } from './program.ts'

export interface ChartOrder {
  /** Folder of the chart in the repository, and files of values. */
  path: string
  values: readonly string[]
  /** The name of the Helm release, by which charts name their objects. */
  release: string
  namespace: string
  /** Version of the cluster, like 1.20.0, */
  kubeVersion?: string
  /** and what its API knows: `apps/v1`, `apps/v1/Deployment`. */
  apiVersions?: readonly string[]
  /** Values by their paths (`image.tag`), over those of files. */
  set: Readonly<Record<string, SetValue>>
  /** There was a release before. */
  isUpgrade: boolean
}
/** A text stays one, whatever it looks like. */
export type SetValue = string | number | boolean
const mostFiles = 2000
const mostFileBytes = 2 * 2 ** 20

/** Renders a chart of the repository by `helm template`. It asks no cluster, and fetches nothing; hooks are among what it makes, and so is `crds/`. */
export async function renderChart(
  { folder, tree }: Copy,
  order: ChartOrder,
  { say, signal, patienceMs }: Rendering,
): Promise<Outcome<Buffer>> {
  const { path, namespace, release, kubeVersion, apiVersions, isUpgrade } = order
  const chart = join(tree, path)
  const refusal = (detail: string) => refuse('manifest_invalid', { object: path === '.' ? 'Chart.yaml' : path, detail })
  const objection = (await unpackCharts(chart)) ?? (await objectionTo(chart, chart))
  if (objection) return refusal(objection)
  const files = await valueFiles(tree, order.values)
  if (!files.ok) return files
  const helm = await findProgram('helm')
  if (!helm) return refuse('program_missing', { folder: path, program: 'helm' })
  const environment = { HELM_PLUGINS: join(folder, 'home', 'no-programs') }
  const call = { folder, cwd: tree, signal, environment, ...(patienceMs ? { patienceMs } : {}) }
  const { stdout } = await runProgram(helm, ['version', '--template={{.Version}}'], call)
  say(`rendering ${path} with helm ${stdout.toString().trim() || 'of an unknown version'}`)
  const options = [
    ...['--namespace', namespace, '--include-crds'],
    ...(isUpgrade ? ['--is-upgrade'] : []),
    ...(kubeVersion ? ['--kube-version', kubeVersion] : []),
    ...(apiVersions ?? []).flatMap((version) => ['--api-versions', version]),
    ...Object.entries(order.set).flatMap(([key, value]) => setting(key, value)),
  ]
  const values = files.value.flatMap((file) => ['--values', file])
  const made = await runProgram(helm, ['template', release, chart, ...options, ...values], call)
  if (made.exitCode === 0) return done(made.stdout)
  if (made.ended) return whyEnded(made.ended, { object: path, what: `render ${path} with helm`, patienceMs })
  const words = made.stderr.replaceAll(`${tree}/`, '').replaceAll(folder, '')
  return refusal(helmProblem(words))
}

/** Each character that Helm would take for more than itself is escaped. https://helm.sh/docs/intro/using_helm/#the-format-and-limitations-of---set */
const setting = (path: string, value: SetValue): string[] =>
  typeof value === 'string'
    ? ['--set-string', `${path}=${value.replace(/[\\,{}[\]=]/g, '\\$&')}`]
    : ['--set', `${path}=${value}`]

async function valueFiles(tree: string, values: readonly string[]): Promise<Outcome<string[]>> {
  const files: string[] = []
  for (const value of values) {
    const path = parseRepoPath(value)
    if (!path.ok) return path
    const file = join(tree, path.value)
    if ((await kindOf(file)) !== 'file') return refuse('file_not_found', { path: value })
    files.push(file)
  }
  return done(files)
}

/**
 * What in a chart could reach beyond it: a link; a schema that refers to another place; the function that asks name servers. What `lookup` asks is answered with nothing, as there is no cluster to ask.
 */
async function objectionTo(chart: string, folder: string, seen = { files: 0 }): Promise<string | undefined> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    const name = relative(chart, path)
    seen.files++
    if (seen.files > mostFiles) return `it has more than ${mostFiles} files`
    if (entry.isSymbolicLink()) return `${name} is a link, which charts may not have here`
    const found = entry.isDirectory() ? await objectionTo(chart, path, seen) : await fileObjection(path, name)
    if (found) return found
  }
  return undefined
}

async function fileObjection(path: string, name: string): Promise<string | undefined> {
  const bytes = await readFile(path)
  if (bytes.length > mostFileBytes) return `${name} is larger than ${mostFileBytes / 2 ** 20} MiB`
  const text = bytes.toString('utf8')
  if (name.endsWith('values.schema.json') && /"\$(ref|id)"\s*:\s*"(?!#)/.test(text))
    return `${name} refers to another schema, and nothing is fetched from elsewhere`
  return /getHostByName/.test(text) ? `${name} uses getHostByName, and no name is asked for here` : undefined
}
