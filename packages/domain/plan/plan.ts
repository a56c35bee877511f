import type { Pipeline } from '../pipeline/pipeline.ts'
import { done, type Outcome, refuse } from '../reason.ts'
import { matchesName, touches } from '../trigger.ts'
import { type PlannedCheckout, planCheckout } from './checkout.ts'
import { branchOf, type PlanContext } from './context.ts'
import { type PlannedEnvironment, planEnvironments } from './environment.ts'
import { type PlannedImage, planImage } from './images.ts'
import { durationMs, slug } from './parts.ts'
import { type PlannedTest, planTest } from './tests.ts'

/** What one run will do: images, tests and environments, in order, with every default filled in. */
export interface Plan {
  checkout?: PlannedCheckout
  images: PlannedImage[]
  tests: PlannedTest[]
  environments: PlannedEnvironment[]
  /** The whole run's time. */
  timeoutMs?: number
  /** `newest`: a newer push to the branch cancels this run. */
  concurrency?: 'newest' | 'all'
  /** The pipeline's rule that lets this event start nothing: then there is nothing in the plan. */
  ignored?: string
  /** Environments that it would have been deployed to but for that rule. */
  deploysLeftOut?: string[]
  /** Tests of the file that are not for this event, branch or change. */
  testsLeftOut?: number
  /** The commit asks for that: nothing is told as passed then. */
  isSkipped?: boolean
  /** Globs of the files that a push or pull request must touch to start a run. */
  startPaths?: string[]
}

/** Pipeline and push make the plan. What does not apply to this event, branch or change is left out. */
export function makePlan(pipeline: Pipeline, context: PlanContext): Outcome<Plan> {
  const { event = 'push' } = context
  const startPaths = event === 'push' || event === 'pull_request' ? pipeline.on?.[event]?.paths : undefined
  const rest = {
    ...(pipeline.timeout ? { timeoutMs: durationMs(pipeline.timeout, 0) } : {}),
    ...(pipeline.concurrency ? { concurrency: pipeline.concurrency } : {}),
    ...(startPaths ? { startPaths } : {}),
  }
  const ignored = ignoringRule(pipeline, context)
  if (ignored) {
    const deploysLeftOut = planEnvironments(pipeline, context).map(({ name }) => name)
    const left = { ignored, ...(deploysLeftOut.length > 0 ? { deploysLeftOut } : {}) }
    return done({ images: [], tests: [], environments: [], ...rest, ...left })
  }
  const images = Object.entries(pipeline.images ?? {}).map(([name, image]) =>
    planImage(name, image, context, pipeline.pull),
  )
  const tests = Object.entries(pipeline.test ?? {}).flatMap(([key, test]) => planTest(pipeline, key, test, context))
  const environments = planEnvironments(pipeline, context)
  const isEmpty = images.length === 0 && tests.length === 0 && environments.length === 0
  if (isEmpty && !pipeline.test && !pipeline.deploy) return refuse('nothing_to_do', { hasFile: true })
  if (isEmpty) return done({ images, tests, environments, ...rest, ignored: 'nothing in it is for this' })
  const kept = new Set(tests.map(({ key }) => key))
  const testsLeftOut = Object.keys(pipeline.test ?? {}).filter((key) => !kept.has(key)).length
  const checkout = planCheckout(pipeline)
  return done({ ...checkout, images, tests, environments, ...rest, ...(testsLeftOut > 0 ? { testsLeftOut } : {}) })
}

/** The rule of the pipeline's own `on` that leaves this event out. Without `on`, every event that came this far is let through. */
function ignoringRule({ on }: Pipeline, context: PlanContext): string | undefined {
  const { event = 'push', base = context.branch, tag = '', changed } = context
  const ofBranch = (of: string, rule: { branches?: string[]; paths?: string[] } | undefined, name: string) => {
    if (rule?.branches && !matchesName(name, rule.branches)) return `on.${of}.branches does not name ${name}`
    return touches(changed, rule?.paths) ? undefined : `on.${of}.paths names none of the changed files`
  }
  switch (event) {
    case 'push':
      return ofBranch('push', on?.push, branchOf(context))
    case 'pull_request':
      return on?.pull_request ? ofBranch('pull_request', on.pull_request, base) : 'it has no on.pull_request'
    case 'tag':
      if (!on?.tag) return 'it has no on.tag'
      return matchesName(tag, on.tag) ? undefined : `on.tag does not name ${tag}`
    case 'manual':
      return undefined
    default:
      return event satisfies never
  }
}

/** What a commit without a pipeline file implies. */
export interface Implied {
  dockerfileStages: string[]
  hasManifests: boolean
}

/**
 * The plan of a commit without `.taxiway.yaml`: its Dockerfile makes one image named after the repository, a build stage
 * named `test` in it is the test, a `k8s/` folder is the deploy to `production` from the default branch.
 */
export function implyPlan(implied: Implied, context: PlanContext): Plan {
  const name = slug(context.repository.split('/')[1] ?? 'app')
  const hasTest = implied.dockerfileStages.includes('test')
  return {
    images: [{ name, context: '.', dockerfile: 'Dockerfile', args: {} }],
    tests: hasTest
      ? [{ name: 'test', image: name, run: { buildTarget: 'test' }, env: {}, timeoutMs: 10 * 60_000 }]
      : [],
    environments: implied.hasManifests ? planEnvironments({ deploy: { production: {} } }, context) : [],
  }
}
