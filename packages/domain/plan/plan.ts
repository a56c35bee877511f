import { type Pipeline, testImage } from '../pipeline/pipeline.ts'
import { done, type Outcome, refuse } from '../reason.ts'
import { matchesBranch, matchesPath } from '../trigger.ts'
import { type PlannedEnvironment, planEnvironments } from './environment.ts'
import { durationMs, slug } from './parts.ts'

/** What one run will do: images, tests and environments, in order, with every default filled in. */
export interface Plan {
  images: PlannedImage[]
  tests: PlannedTest[]
  environments: PlannedEnvironment[]
  /** The whole run's time. */
  timeoutMs?: number
  /** `newest`: a newer push to the branch cancels this run. */
  concurrency?: 'newest' | 'all'
  /** The pipeline's rule that lets this event start nothing: then there is nothing in the plan. */
  ignored?: string
  /** Globs of the files that a push or pull request must touch to start a run. */
  startPaths?: string[]
}
export interface PlannedImage {
  name: string
  context: string
  dockerfile: string
  target?: string
  args: Record<string, string>
  /** Build argument -> image of this plan that is built first. */
  from?: Record<string, string>
  labels?: Record<string, string>
  /** Names of secrets, mounted in the build. */
  secrets?: string[]
  platforms?: string[]
  /** More tags for the published image, filled in. */
  tags?: string[]
  /** Globs of the files that it is made of: what they hold is its key. */
  paths?: string[]
}
export interface PlannedTest {
  /** Unique in the plan: `unit`, or with a matrix `unit (node=22)`. */
  name: string
  /** The key in the pipeline file; `needs` name these. */
  key?: string
  image: string
  /** Shell commands, or the Dockerfile stage whose build is the test. */
  run: string[] | { buildTarget: string }
  env: Record<string, string>
  workdir?: string
  services?: PlannedService[]
  needs?: string[]
  timeoutMs: number
  /** More tries after a failure. */
  retry?: number
  allowFailure?: boolean
  secrets?: string[]
  /** Path in the container of JUnit XML: a file, or a folder of them. */
  junit?: string
  artifacts?: { paths: string[]; expireMs: number }
  caches?: { path: string; key: string[] }[]
}
/** Runs beside a test, reachable by its name. */
export interface PlannedService {
  name: string
  image: string
  env: Record<string, string>
  command?: string[]
  /** Without either, the image's own health check, else that it runs. */
  ready?: { port: number } | { command: string }
  timeoutMs: number
}
export const planEvents = ['push', 'tag', 'pull_request', 'manual'] as const
/** What starts a run. */
export type PlanEvent = (typeof planEvents)[number]
/** What the plan depends on besides the pipeline. */
export interface PlanContext {
  /** owner/name */
  repository: string
  event?: PlanEvent
  branch: string
  tag?: string
  /** Branch that the pull request wants into. */
  base?: string
  sha?: string
  /** Of the run. */
  number?: number
  /** Of the pull request. */
  pull?: number
  defaultBranch?: string
  namespace?: string
  /** Code that a member has not approved gets no secrets and is never deployed. Default: trusted. */
  trusted?: boolean
  /** Values of a manual run. */
  inputs?: Record<string, string>
  /** Files that changed, if that is known. */
  changed?: string[]
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
  if (ignored) return done({ images: [], tests: [], environments: [], ...rest, ignored })
  const images = Object.entries(pipeline.images ?? {}).map(([name, image]) => planImage(name, image, context))
  const tests = Object.entries(pipeline.test ?? {}).flatMap(([key, test]) => planTest(pipeline, key, test, context))
  const environments = planEnvironments(pipeline, context)
  if (images.length === 0 && tests.length === 0 && environments.length === 0) return refuse('nothing_to_do')
  return done({ images, tests, environments, ...rest })
}

/** The rule of the pipeline's own `on` that leaves this event out. Without `on`, every event that came this far is let through. */
function ignoringRule({ on }: Pipeline, context: PlanContext): string | undefined {
  const { event = 'push', branch, base = branch, tag = '', changed } = context
  const ofBranch = (of: string, rule: { branches?: string[]; paths?: string[] } | undefined, name: string) => {
    if (rule?.branches && !matchesBranch(name, rule.branches)) return `on.${of}.branches does not name ${name}`
    return touches(changed, rule?.paths) ? undefined : `on.${of}.paths names none of the changed files`
  }
  switch (event) {
    case 'push':
      return ofBranch('push', on?.push, branch)
    case 'pull_request':
      return on?.pull_request ? ofBranch('pull_request', on.pull_request, base) : 'it has no on.pull_request'
    case 'tag':
      if (!on?.tag) return 'it has no on.tag'
      return matchesBranch(tag, on.tag) ? undefined : `on.tag does not name ${tag}`
    case 'manual':
      return undefined
    default:
      return event satisfies never
  }
}

/** Is one of the changed files among the paths? Unknown changes touch everything. */
export const touches = (changed: string[] | undefined, paths: string[] | undefined): boolean =>
  changed === undefined || paths === undefined || changed.some((file) => matchesPath(file, paths))

type ImageOf = NonNullable<Pipeline['images']>[string]
type TestOf = NonNullable<Pipeline['test']>[string]

function planImage(name: string, image: ImageOf, context: PlanContext): PlannedImage {
  const { target, from, labels, platforms, paths } = image
  const words = {
    branch: context.branch,
    tag: context.tag ?? '',
    sha: context.sha?.slice(0, 12) ?? '',
    number: String(context.number ?? ''),
  }
  const tags = image.tags
    ?.map((tag) => tag.replaceAll(/\{(\w+)\}/g, (_, word: keyof typeof words) => words[word] ?? ''))
    .map((tag) =>
      tag
        .replaceAll(/[^A-Za-z0-9_.-]+/g, '-')
        .replace(/^[.-]+/, '')
        .slice(0, 128),
    )
    .filter(Boolean)
  const secrets = context.trusted === false ? undefined : image.secrets
  return {
    name,
    context: image.context ?? '.',
    dockerfile: image.dockerfile ?? 'Dockerfile',
    args: image.args ?? {},
    ...(target && { target }),
    ...(from && { from }),
    ...(labels && { labels }),
    ...(secrets && { secrets }),
    ...(platforms && { platforms }),
    ...(tags && { tags }),
    ...(paths && { paths }),
  }
}

/** A test, once for each combination of its matrix. */
function planTest(pipeline: Pipeline, key: string, test: TestOf, context: PlanContext): PlannedTest[] {
  const { event = 'push' } = context
  const { when, workdir, needs, retry, cache, reports, artifacts } = test
  if (when?.event && !when.event.includes(event)) return []
  if (when?.branch && !matchesBranch(context.branch, when.branch)) return []
  if (!touches(context.changed, when?.paths)) return []
  const secrets = context.trusted === false ? undefined : test.secrets
  const services = Object.entries(test.services ?? {}).map(([name, { timeout, ...service }]) => ({
    ...service,
    name,
    env: service.env ?? {},
    timeoutMs: durationMs(timeout, 60_000),
  }))
  const planned = {
    key,
    image: testImage(pipeline, test) as string,
    run: test.run,
    timeoutMs: durationMs(test.timeout, 10 * 60_000),
    ...(workdir && { workdir }),
    ...(services.length > 0 && { services }),
    ...(needs && { needs }),
    ...(retry && { retry }),
    ...(test.allow_failure && { allowFailure: true }),
    ...(secrets && { secrets }),
    ...(reports && { junit: reports.junit }),
    ...(artifacts && {
      artifacts: { paths: artifacts.paths, expireMs: durationMs(artifacts.expire, 7 * 24 * 3_600_000) },
    }),
    ...(cache && { caches: cache }),
  }
  const inputs = Object.entries(context.inputs ?? {}).map(([name, value]) => [
    `TAXIWAY_INPUT_${name.toUpperCase()}`,
    value,
  ])
  return combinations(test.matrix ?? {}).map((values) => {
    const label = Object.entries(values).map(([variable, value]) => `${variable}=${value}`)
    return {
      ...planned,
      name: label.length > 0 ? `${key} (${label.join(', ')})` : key,
      env: { ...Object.fromEntries(inputs), ...test.env, ...values },
    }
  })
}

/** Every choice of one value for each variable; one empty choice when there are no variables. */
const combinations = (matrix: Record<string, string[]>): Record<string, string>[] =>
  Object.entries(matrix).reduce<Record<string, string>[]>(
    (chosen, [variable, values]) => chosen.flatMap((one) => values.map((value) => ({ ...one, [variable]: value }))),
    [{}],
  )

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
