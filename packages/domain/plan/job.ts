import type { JobOf, Pipeline } from '../pipeline/pipeline.ts'
import { partImage } from './component.ts'
import { durationMs } from './parts.ts'

/** Commands that run once for a release, with every default filled in. */
export interface PlannedJob {
  name: string
  /** An image of the plan, or a reference by digest. */
  image: string
  run: string[]
  /** In the place of `sh`. */
  shell?: string
  env: Record<string, string>
  /** Names of secrets, given as variables of the same names. */
  secrets: string[]
  timeoutMs: number
}

/** Jobs of an environment, in the file's order; undefined when it has none. */
export const planJobs = (
  pipeline: Pick<Pipeline, 'images'>,
  jobs: Record<string, JobOf> | undefined,
): PlannedJob[] | undefined =>
  jobs &&
  Object.entries(jobs).map(([name, job]) => ({
    name,
    image: partImage(pipeline, job) as string,
    run: job.run,
    ...(job.shell && { shell: job.shell }),
    env: job.env ?? {},
    secrets: job.secrets ?? [],
    timeoutMs: durationMs(job.timeout, 5 * 60_000),
  }))
