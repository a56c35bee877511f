import { done, type Outcome, refuse } from '../reason.ts'
import { durationMs } from './parts.ts'

/** What new pods are judged by; the first that fails ends the release. */
export type Measure =
  /** Percent of good answers that new pods must give on this path, over the whole pause. */
  | { kind: 'http'; path: string; port?: number; success: number }
  /** A query whose first value must lie between the two. */
  | { kind: 'prometheus'; url: string; query: string; min?: number; max?: number }
  /** Commands that must end with 0. `image` is one of the pipeline; in an order, its reference with digest. */
  | { kind: 'job'; image: string; run: string[]; shell?: string; env: Record<string, string>; timeoutMs: number }

/** How a new version takes over from the old one. */
export type Strategy = { analysis: Measure[] /** For each wait until pods are ready. */; timeoutMs: number } & (
  | { kind: 'canary'; steps: { weight: number; pauseMs: number }[] }
  | { kind: 'blue_green'; pauseMs: number }
)

interface JobOf {
  image?: string
  run: string[]
  shell?: string
  env?: Record<string, string>
  timeout?: string
}
type AnalysisOf =
  | { http: string; port?: number; success?: number }
  | { prometheus: string; query: string; min?: number; max?: number }
  | { job: JobOf }
interface DeployOf {
  canary?: { steps: { weight: number; pause?: string }[]; analysis?: AnalysisOf[] }
  blue_green?: { pause?: string; analysis?: AnalysisOf[] }
}

/** The strategy of an environment, with every default filled in. @param images names of the pipeline's images */
export function planStrategy(deploy: DeployOf, images: readonly string[], timeoutMs: number): Strategy | undefined {
  const { canary, blue_green } = deploy
  const analysis = (canary?.analysis ?? blue_green?.analysis ?? []).map((one) => planMeasure(one, images))
  if (canary) {
    const steps = canary.steps.map(({ weight, pause }) => ({ weight, pauseMs: durationMs(pause, 30_000) }))
    return { kind: 'canary', steps, analysis, timeoutMs }
  }
  return blue_green && { kind: 'blue_green', pauseMs: durationMs(blue_green.pause, 30_000), analysis, timeoutMs }
}

function planMeasure(one: AnalysisOf, images: readonly string[]): Measure {
  if ('http' in one) {
    const { http, port, success = 100 } = one
    return { kind: 'http', path: http, ...(port ? { port } : {}), success }
  }
  if ('job' in one) {
    const { image = images[0] ?? '', run, shell, env = {}, timeout } = one.job
    return { kind: 'job', image, run, ...(shell && { shell }), env, timeoutMs: durationMs(timeout, 5 * 60_000) }
  }
  const { prometheus: url, query, min, max } = one
  return {
    kind: 'prometheus',
    url,
    query,
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
  }
}

/** What can't be as it is written: where, and what is wrong. */
export function strategyProblem(
  deploy: DeployOf,
  images: readonly string[],
): { path: (string | number)[]; detail: string } | undefined {
  const { canary, blue_green } = deploy
  if (canary && blue_green) return { path: ['blue_green'], detail: 'an environment has canary or blue_green, not both' }
  const falling = canary?.steps.findIndex(({ weight }, index) => weight <= (canary.steps[index - 1]?.weight ?? 0)) ?? -1
  if (falling >= 0)
    return { path: ['canary', 'steps', falling, 'weight'], detail: 'is not larger than the one of the step before' }
  const room = canary ? 'canary' : 'blue_green'
  for (const [index, one] of (canary?.analysis ?? blue_green?.analysis ?? []).entries()) {
    const path = [room, 'analysis', index]
    if ('prometheus' in one && one.min === undefined && one.max === undefined)
      return { path, detail: 'needs min or max, or every value would do' }
    if (!('job' in one)) continue
    const { image } = one.job
    if (image === undefined ? images.length !== 1 : !images.includes(image))
      return {
        path: [...path, 'job'],
        detail: image === undefined ? 'name its image: this pipeline has not exactly one' : `${image} is not an image`,
      }
  }
  return undefined
}

/** The longest that the steps before the switch may take, in milliseconds: all waits at their ends. */
export function strategyMs(strategy: Strategy): number {
  const pauses = strategy.kind === 'canary' ? strategy.steps.map(({ pauseMs }) => pauseMs) : [strategy.pauseMs]
  const jobsMs = strategy.analysis.reduce((sum, one) => sum + (one.kind === 'job' ? one.timeoutMs : 30_000), 0)
  // Twice the wait at each step: for the new pods, and for the old ones to go. Once more for what an earlier one left.
  return pauses.reduce((sum, pauseMs) => sum + pauseMs + jobsMs + 2 * strategy.timeoutMs, 2 * strategy.timeoutMs)
}

/**
 * The same strategy with references in the place of the images' names; `image_unresolved` for one that is not there.
 * @param told variables that commands have beside their own
 */
export function withReferences(
  strategy: Strategy,
  references: Readonly<Record<string, string>>,
  told: Readonly<Record<string, string>>,
): Outcome<Strategy> {
  const analysis: Measure[] = []
  for (const one of strategy.analysis) {
    const image = one.kind === 'job' && Object.hasOwn(references, one.image) ? references[one.image] : undefined
    if (one.kind === 'job' && !image) return refuse('image_unresolved', { object: 'The analysis', image: one.image })
    analysis.push(one.kind === 'job' && image ? { ...one, image, env: { ...told, ...one.env } } : one)
  }
  return done({ ...strategy, analysis })
}
