import type { RunId } from '../ids.ts'
import { done, type Outcome, refuse } from '../reason.ts'
import type { RollOutEvent } from './cause.ts'
import { buildStages } from './parts.ts'
import { findStage, isPassed, type NewRun, newRun, type Run } from './run.ts'

/** May what this run made be given to the environment? */
export function checkSource(source: Run, environment: string): Outcome<void> {
  const isTrusted = source.trusted !== false && source.pullRequest === undefined
  if (!isTrusted || !source.plan?.environments.some(({ name }) => name === environment))
    return refuse('not_allowed_for_ref', { environment, branch: source.branch || (source.tag ?? '') })
  const isWhole =
    buildStages.every((name) => isPassed(findStage(source, name))) &&
    source.images.every(({ reference, digest }) => reference && digest)
  return isWhole ? done(undefined) : refuse('run_not_published', { number: source.number })
}

/** A run that gives one environment what an earlier run made: its commit, plan and images. */
export function rollOutRun(
  id: RunId,
  source: Run,
  order: { event: RollOutEvent; environment: string; asked: NonNullable<Run['asked']> },
  now: string,
): NewRun {
  const { repo, repository, sha, branch, tag, defaultBranch, message, author, plan, images } = source
  const { event, environment, asked } = order
  const rest = { ...(tag === undefined ? {} : { tag }), ...(defaultBranch === undefined ? {} : { defaultBranch }) }
  const run = newRun({ id, repo, repository, event, sha, branch, message, author, ...rest }, now)
  return {
    ...run,
    asked,
    ...(plan ? { plan } : {}),
    images: structuredClone(images),
    stages: [
      ...run.stages.map((stage) => ({ ...stage, state: 'skipped' as const })),
      { name: 'deploy', environment, state: 'pending' as const },
    ],
  }
}

/** What is known of a kept release, to choose one. */
export interface KeptRelease {
  generation: number
  state: string
  sha: string
  repeats?: number | undefined
  down?: string | undefined
}

/**
 * The release that a rollback gives again: the wanted one, else the last healthy one of another commit before what is live that
 * was not down when its next began.
 * After a rollback or restore, "before" counts from the release that was given again.
 * @param releases newest first
 */
export function chooseRollback<Release extends KeptRelease>(
  releases: readonly Release[],
  environment: string,
  live: KeptRelease | undefined,
  wanted?: number,
): Outcome<Release> {
  if (wanted !== undefined) {
    const found = releases.find(({ generation }) => generation === wanted)
    if (!found) return refuse('release_not_found', { environment, generation: wanted })
    const { generation, state } = found
    return state === 'live' ? done(found) : refuse('release_not_healthy', { environment, generation, state })
  }
  let from = live
  while (from?.repeats !== undefined) {
    const { repeats } = from
    from = releases.find(({ generation }) => generation === repeats) ?? {
      ...from,
      generation: repeats,
      repeats: undefined,
    }
  }
  const before = from?.generation ?? Number.POSITIVE_INFINITY
  const earlier = releases.find(
    ({ generation, state, sha, repeats, down }) =>
      generation < before && state === 'live' && sha !== live?.sha && repeats === undefined && down === undefined,
  )
  return earlier ? done(earlier) : refuse('no_earlier_release', { environment })
}
