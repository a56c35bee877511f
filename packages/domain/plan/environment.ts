import type { DriftMode } from '../environment/drift.ts'
import type { DeployOf, Pipeline } from '../pipeline/pipeline.ts'
import { isDefaultBranch, matchesName, queuedFor } from '../trigger.ts'
import { type PlannedComponent, planComponents } from './component.ts'
import type { PlanContext } from './context.ts'
import { type PlannedJob, planJobs } from './job.ts'
import { durationMs, slug } from './parts.ts'
import { type PlannedPreview, planPreview, previewName, previewNamespace } from './preview.ts'
import { planStrategy, type Strategy } from './strategy.ts'

/** Where a release goes, and how, with every default filled in. */
export interface PlannedEnvironment {
  name: string
  namespace: string
  /** What a Helm chart's release is called. Missing in plans of earlier versions: after the repository. */
  release?: string
  /** The file says that namespace itself. */
  isNamespaceGiven?: boolean
  /** The cluster that the file names. */
  cluster?: string
  manifests: string
  /** Files of values for a Helm chart. */
  values?: string[]
  /** Values for it by their paths. */
  set?: Record<string, string | number | boolean>
  /** The paths of its values that name an image of the pipeline. */
  images?: Record<string, string | string[]>
  timeoutMs: number
  /** The environment that a release was healthy in before. */
  after?: string
  /** A person approves each release, in time. */
  approval?: { timeoutMs: number }
  /** When a release may begin. */
  windows?: string[]
  timezone?: string
  /** Missing in plans of earlier versions: `report`. */
  drift?: DriftMode
  /** Default: at once. */
  strategy?: Strategy
  /** So often a container may be started again before the release is given up. Missing: as long as there is time. */
  restarts?: number
  /** It must stay healthy for so long to be live. Missing in plans of earlier versions, as what follows. */
  soakMs?: number
  /** False: what fails is left as it is. */
  rollback?: boolean
  /** What becomes of objects that the release has not any more. */
  prune?: 'careful' | 'all' | 'none'
  /** ConfigMaps and Secrets of the manifests are named by their content. */
  configHash?: boolean
  /** In the place of manifests. */
  components?: PlannedComponent[]
  /** It is that of one pull request. */
  preview?: PlannedPreview
  /** Run before anything is switched, */
  before?: PlannedJob[]
  /** and once all is healthy. */
  afterLive?: PlannedJob[]
}

/** The environments that this event is deployed to, in the pipeline's order. */
export const planEnvironments = (pipeline: Deployable, context: PlanContext): PlannedEnvironment[] =>
  Object.entries(pipeline.deploy ?? {})
    .filter(([, environment]) => isDeployedFrom(context, environment))
    .map(([name, environment]) => planEnvironment(pipeline, name, environment, context))

type Deployable = Pick<Pipeline, 'images' | 'deploy'>

function planEnvironment(
  pipeline: Deployable,
  name: string,
  deploy: DeployOf,
  context: PlanContext,
): PlannedEnvironment {
  const { pull } = context
  const number = deploy.preview ? pull : undefined
  const namespace = deploy.namespace ?? context.namespace ?? slug(`${context.repository.split('/')[1]}-${name}`)
  const components = planComponents(pipeline, deploy, number === undefined ? context : { ...context, number })
  const before = planJobs(pipeline, deploy.before)
  const afterLive = planJobs(pipeline, deploy.after_live)
  const timeoutMs = durationMs(deploy.timeout, 5 * 60_000)
  const strategy = planStrategy(deploy, Object.keys(pipeline.images ?? {}), timeoutMs)
  return {
    name: number === undefined ? name : previewName(name, number),
    namespace: number === undefined ? namespace : previewNamespace(namespace, number),
    release: slug(context.repository.split('/')[1] ?? ''),
    manifests: deploy.manifests ?? 'k8s',
    timeoutMs,
    ...(deploy.namespace ? { isNamespaceGiven: true } : {}),
    ...(deploy.cluster ? { cluster: deploy.cluster } : {}),
    ...(deploy.after && { after: deploy.after }),
    ...(deploy.approval && { approval: { timeoutMs: durationMs(deploy.approval_timeout, 24 * 3_600_000) } }),
    ...(deploy.windows && { windows: deploy.windows }),
    ...(deploy.timezone && { timezone: deploy.timezone }),
    drift: deploy.drift ?? 'report',
    ...(deploy.restarts === undefined ? {} : { restarts: deploy.restarts }),
    soakMs: durationMs(deploy.soak, 5_000),
    rollback: deploy.rollback ?? true,
    prune: deploy.prune ?? 'careful',
    ...(deploy.preview && number !== undefined ? { preview: planPreview(name, deploy.preview, number) } : {}),
    ...(strategy ? { strategy } : {}),
    ...(deploy.values && { values: deploy.values }),
    ...(deploy.set && { set: deploy.set }),
    ...(deploy.images && { images: deploy.images }),
    ...(deploy.config_hash && { configHash: true }),
    ...(components && { components }),
    ...(before && { before }),
    ...(afterLive && { afterLive }),
  }
}

/**
 * Without a rule only the default branch is deployed. Pull requests go to previews and nowhere else, and nothing else goes there;
 * code that no member has approved goes nowhere.
 */
function isDeployedFrom(context: PlanContext, { on, preview }: DeployOf): boolean {
  if (context.trusted === false) return false
  if (context.event === 'pull_request') return preview !== undefined && context.pull !== undefined
  if (preview) return false
  // A tag, or a commit by its name alone, is on no branch; what a merge queue tries is not there yet.
  if (context.branch === '' || queuedFor(context.branch) !== undefined) return false
  if (on === undefined) return isDefaultBranch(context.branch, context.defaultBranch)
  return matchesName(context.branch, [on.branch].flat())
}
