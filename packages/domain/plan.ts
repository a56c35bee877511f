import type { Pipeline } from './pipeline.ts'
import { done, type Outcome, refuse } from './reason.ts'
import { matchesBranch } from './trigger.ts'

/** What one run will do: images, tests and environments, in order, with every default filled in. */
export interface Plan {
  images: PlannedImage[]
  tests: PlannedTest[]
  environments: PlannedEnvironment[]
}
export interface PlannedImage {
  name: string
  context: string
  dockerfile: string
  target?: string
  args: Record<string, string>
}
export interface PlannedTest {
  name: string
  image: string
  /** Shell commands, or the Dockerfile stage whose build is the test. */
  run: string[] | { buildTarget: string }
  env: Record<string, string>
  workdir?: string
  timeoutMs: number
}
export interface PlannedEnvironment {
  name: string
  namespace: string
  manifests: string
  timeoutMs: number
}
/** What the plan depends on besides the pipeline. */
export interface PlanContext {
  /** owner/name */
  repository: string
  branch: string
  defaultBranch?: string
  namespace?: string
}

const units = { s: 1000, m: 60_000, h: 3_600_000 } as const
const durationMs = (text: string | undefined, fallbackMs: number): number =>
  text === undefined ? fallbackMs : Number(text.slice(0, -1)) * units[text.slice(-1) as keyof typeof units]

/** A name usable for images, namespaces and containers: lower case, digits and dashes, at most 40 characters. */
export const slug = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '') || 'app'

/** Pipeline and push make the plan. Branches that an environment is not deployed from leave it out. */
export function makePlan(pipeline: Pipeline, context: PlanContext): Outcome<Plan> {
  const branches = pipeline.on?.push?.branches
  const built = branches === undefined || matchesBranch(context.branch, branches)
  if (!built) return done({ images: [], tests: [], environments: [] })
  const images = Object.entries(pipeline.images ?? {}).map(([name, image]) => ({
    name,
    context: image.context ?? '.',
    dockerfile: image.dockerfile ?? 'Dockerfile',
    ...(image.target ? { target: image.target } : {}),
    args: image.args ?? {},
  }))
  const tests = Object.entries(pipeline.test ?? {}).map(([name, test]) => ({
    name,
    image: test.image,
    run: test.run,
    env: test.env ?? {},
    ...(test.workdir ? { workdir: test.workdir } : {}),
    timeoutMs: durationMs(test.timeout, 10 * 60_000),
  }))
  const environments = Object.entries(pipeline.deploy ?? {})
    .filter(([, deploy]) => isDeployedFrom(context, deploy.on?.branch))
    .map(([name, deploy]) => ({
      name,
      namespace: deploy.namespace ?? context.namespace ?? slug(`${context.repository.split('/')[1]}-${name}`),
      manifests: deploy.manifests ?? 'k8s',
      timeoutMs: durationMs(deploy.timeout, 5 * 60_000),
    }))
  if (images.length === 0 && environments.length === 0) return refuse('nothing_to_do')
  return done({ images, tests, environments })
}

/** Without a rule only the default branch is deployed. */
function isDeployedFrom(context: PlanContext, rule: string | string[] | undefined): boolean {
  const fallback = context.defaultBranch ? [context.defaultBranch] : ['main', 'master']
  return matchesBranch(context.branch, rule === undefined ? fallback : [rule].flat())
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
    environments:
      implied.hasManifests && isDeployedFrom(context, undefined)
        ? [
            {
              name: 'production',
              namespace: context.namespace ?? slug(`${name}-production`),
              manifests: 'k8s',
              timeoutMs: 5 * 60_000,
            },
          ]
        : [],
  }
}
