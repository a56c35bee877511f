import type { PullPolicy } from '../pipeline/parts.ts'
import type { TestOf } from '../pipeline/pipeline.ts'
import { type Pipeline, testImage } from '../pipeline/pipeline.ts'
import { matchesName, touches } from '../trigger.ts'
import { branchOf, type PlanContext } from './context.ts'
import { combinations } from './matrix.ts'
import { durationMs, sizeMb } from './parts.ts'

export interface PlannedTest {
  /** Unique in the plan: `unit`, or with a matrix `unit (node=22)`. */
  name: string
  /** The key in the pipeline file; `needs` name these. */
  key?: string
  image: string
  /** For an image of a registry. Default: always. */
  pull?: PullPolicy
  /** Shell commands, or the Dockerfile stage whose build is the test. */
  run: string[] | { buildTarget: string }
  /** In the place of `sh`. */
  shell?: string
  env: Record<string, string>
  workdir?: string
  memoryMb?: number
  shmMb?: number
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
  /** For an image of a registry. Default: always. */
  pull?: PullPolicy
  env: Record<string, string>
  command?: string[]
  /** Without either, the image's own health check, else that it runs. */
  ready?: { port: number } | { command: string }
  memoryMb?: number
  shmMb?: number
  /** Given as variables of the same names. */
  secrets?: string[]
  timeoutMs: number
}
/** A test, once for each combination of its matrix. */
export function planTest(pipeline: Pipeline, key: string, test: TestOf, context: PlanContext): PlannedTest[] {
  const { event = 'push' } = context
  const { when, shell, workdir, needs, retry, cache, reports, artifacts, pull = pipeline.pull } = test
  // A tag that a person runs is a tag, too.
  const events = event === 'manual' && context.tag !== undefined ? [event, 'tag' as const] : [event]
  if (when?.event && !events.some((one) => when.event?.includes(one))) return []
  if (when?.branch && !matchesName(branchOf(context), when.branch)) return []
  if (!touches(context.changed, when?.paths)) return []
  const given = (secrets: string[] | undefined) => (secrets && context.trusted !== false ? { secrets } : {})
  const services = Object.entries(test.services ?? {}).map(([name, { timeout, memory, shm, secrets, ...service }]) => ({
    ...(pull && { pull }),
    ...service,
    ...sizes({ memory, shm }),
    ...given(secrets),
    name,
    env: service.env ?? {},
    timeoutMs: durationMs(timeout, 60_000),
  }))
  const planned = {
    key,
    image: testImage(pipeline, test) as string,
    run: test.run,
    timeoutMs: durationMs(test.timeout, 10 * 60_000),
    ...(pull && { pull }),
    ...(shell && { shell }),
    ...(workdir && { workdir }),
    ...sizes(test),
    ...(services.length > 0 && { services }),
    ...(needs && { needs }),
    ...(retry && { retry }),
    ...(test.allow_failure && { allowFailure: true }),
    ...given(test.secrets),
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
  return combinations(test.matrix).map(({ label, values }) => ({
    ...planned,
    name: label ? `${key} (${label})` : key,
    env: { ...Object.fromEntries(inputs), ...test.env, ...values },
  }))
}

const sizes = ({ memory, shm }: { memory?: string | undefined; shm?: string | undefined }) => ({
  ...(memory && { memoryMb: sizeMb(memory) }),
  ...(shm && { shmMb: sizeMb(shm) }),
})
