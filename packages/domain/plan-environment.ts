import type { Pipeline } from './pipeline.ts'
import type { PlanContext } from './plan.ts'
import { durationMs, slug } from './plan-parts.ts'
import { matchesBranch } from './trigger.ts'

/** Where a release goes, and how, with every default filled in. */
export interface PlannedEnvironment {
  name: string
  namespace: string
  manifests: string
  timeoutMs: number
  /** It must stay healthy for so long to be live. */
  soakMs: number
  /** False: what fails is left as it is. */
  rollback: boolean
  /** What becomes of objects that the release has not any more. */
  prune: 'careful' | 'all' | 'none'
}

type DeployOf = NonNullable<Pipeline['deploy']>[string]

/** The environments that this event is deployed to, in the pipeline's order. */
export const planEnvironments = ({ deploy }: Pick<Pipeline, 'deploy'>, context: PlanContext): PlannedEnvironment[] =>
  Object.entries(deploy ?? {})
    .filter(([, environment]) => isDeployedFrom(context, environment.on))
    .map(([name, environment]) => planEnvironment(name, environment, context))

const planEnvironment = (name: string, deploy: DeployOf, context: PlanContext): PlannedEnvironment => ({
  name,
  namespace: deploy.namespace ?? context.namespace ?? slug(`${context.repository.split('/')[1]}-${name}`),
  manifests: deploy.manifests ?? 'k8s',
  timeoutMs: durationMs(deploy.timeout, 5 * 60_000),
  soakMs: durationMs(deploy.soak, 5_000),
  rollback: deploy.rollback ?? true,
  prune: deploy.prune ?? 'careful',
})

/** Without a rule only the default branch is deployed. */
function isDeployedFrom(context: PlanContext, rule: DeployOf['on']): boolean {
  if (context.trusted === false || context.event === 'pull_request') return false
  const fallback = context.defaultBranch ? [context.defaultBranch] : ['main', 'master']
  return matchesBranch(context.branch, rule === undefined ? fallback : [rule.branch].flat())
}
