import { createHash } from 'node:crypto'
import type { ReleaseJob, SecretSet } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import type { PlannedComponent } from '@taxiway/domain/plan/component.ts'
import { variablesOf } from '@taxiway/domain/plan/variables.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { toldOf } from '@taxiway/domain/run/told.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import type { ChartHook } from '../programs/chart-hooks.ts'
import type { ReleaseDeps } from '../roll-out.ts'
import { componentObjects, leftOutOnMachine } from './components/component.ts'
import { jobObject } from './components/job-object.ts'
import { readManifests } from './manifests.ts'
import type { Place } from './place.ts'

/** What a release is made from: objects that nobody has checked yet, and the secrets that they are given. */
export interface Source {
  documents: unknown[]
  /** The file of the commit that a document comes from. */
  fileOf?: (document: unknown) => string | undefined
  /** Which of the documents run as jobs. */
  hooks: ChartHook[]
  secrets: SecretSet[]
  /** Commands that run once for it. */
  jobs: ReleaseJob[]
  /** What commands know of the run. */
  told: Record<string, string>
}

const named = (name: string, by: readonly string[]): string =>
  `${name}-${createHash('sha256').update(by.join(' ')).digest('hex').slice(0, 10)}`

/** What a job is named by among all runs: it is one run's, and so is what it is given. */
export const nameOf = ({ run }: StageContext, { environment }: ReleaseDeps, ...part: [string, string]): string =>
  named(part[1], [run.id, environment.name, ...part])

/**
 * The Secret of a component is named by what it holds: its keys, and when each was last written. So it never changes, and
 * pods are made anew when one of their secrets was written, not with every run.
 */
const secretNameOf = (
  { run }: StageContext,
  { environment }: ReleaseDeps,
  { name, secrets }: PlannedComponent,
  written: ReadonlyMap<string, string>,
): string =>
  named(name, [run.repo, environment.name, name, ...secrets.toSorted().flatMap((key) => [key, written.get(key) ?? ''])])

/** The objects of the environment, wherever they come from: components of the pipeline file, or manifests of the commit. */
export async function readSource(
  stage: StageContext,
  deps: ReleaseDeps,
  place: Place,
  work: Work,
): Promise<Outcome<Source>> {
  const { components, before = [], afterLive = [] } = deps.environment
  const jobs = [
    ...before.map((job) => ({ job, when: 'before' as const })),
    ...afterLive.map((job) => ({ job, when: 'after_live' as const })),
  ]
  const views = await deps.store.repositorySecrets.names(stage.run.repo)
  const written = new Map(views.map(({ name, updatedAt }) => [name, updatedAt]))
  const secretName = (component: PlannedComponent) => secretNameOf(stage, deps, component, written)
  const secrets = [
    ...(components ?? []).map((component) => ({ name: secretName(component), keys: component.secrets })),
    ...jobs.map(({ job, when }) => ({ name: nameOf(stage, deps, when, job.name), keys: job.secrets })),
  ].filter(({ keys }) => keys.length > 0)
  // Before anything is changed.
  const missing = secrets.flatMap(({ keys }) => keys).find((key) => !written.has(key))
  if (missing !== undefined) return refuse('secret_missing', { name: missing })
  const read = components
    ? await fromComponents(stage, deps, { components, secretName }, { target: place.target, work })
    : await fromManifests(stage, deps, place, work)
  if (!read.ok) return read
  const users = usersOf(stage)
  const repository = await deps.store.repositories.read(stage.run.repo)
  const told = variablesOf(toldOf(stage.run, { url: deps.config.url, repositoryUrl: repository?.url ?? '' }))
  return done({
    ...read.value,
    secrets,
    told,
    jobs: jobs.map(({ job, when }) => {
      const objectName = nameOf(stage, deps, when, job.name)
      const object = jobObject({ ...job, env: { ...told, ...job.env } }, { objectName, users })
      return { name: job.name, when, timeoutMs: job.timeoutMs, object }
    }),
  })
}

const usersOf = ({ run }: StageContext) => Object.fromEntries(run.images.map(({ name, user }) => [name, user]))

type Documents = Pick<Source, 'documents' | 'fileOf' | 'hooks'>

async function fromManifests(...given: Parameters<typeof readManifests>): Promise<Outcome<Documents>> {
  const read = await readManifests(...given)
  if (!read.ok) return read
  const { manifests, hooks } = read.value
  const files = new Map(manifests.map(({ value, file }) => [value, file]))
  return done({ documents: manifests.map(({ value }) => value), fileOf: (document) => files.get(document), hooks })
}

async function fromComponents(
  stage: StageContext,
  deps: ReleaseDeps,
  { components, secretName }: { components: readonly PlannedComponent[]; secretName: (of: PlannedComponent) => string },
  { target, work }: { target: Target; work: Work },
): Promise<Outcome<Documents>> {
  const ground = await target.ground(work)
  if (!ground.ok) return ground
  if (ground.value.kind === 'docker') for (const line of leftOutOnMachine(components)) stage.log.say(line)
  const { name: environment, timeoutMs } = deps.environment
  const context = { environment, timeoutMs, ground: ground.value, users: usersOf(stage), secretName }
  return done({ documents: componentObjects(components, context), hooks: [] })
}
