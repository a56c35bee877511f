import { oneLine, reason } from '@taxiway/domain/reason.ts'
import type { Stage } from '@taxiway/domain/run/parts.ts'
import { waitsToRetry } from '@taxiway/domain/run/retry.ts'
import { isTerminal, type Run } from '@taxiway/domain/run/run.ts'

/** What the git host shall say of a commit in one context. */
export interface DesiredStatus {
  context: string
  state: 'pending' | 'success' | 'failure' | 'error'
  /** GitHub takes 140 characters at most. */
  description: string
  /** How much it says beside what other runs of the same commit say: of several the greatest stands. */
  weight: number
}
/** What says least first: what was cancelled or skipped, and what was left out, are no verdicts. */
const weights = { void: 0, leftOut: 1, success: 2, pending: 3, error: 4, failure: 5 } as const

/** The statuses that a run wants on its commit, with why it waits for its turn. Pure: the same run wants the same. */
export function desiredStatuses(run: Run, waiting?: { message: string }): DesiredStatus[] {
  const deploys = run.stages
    .filter((one) => one.environment !== undefined)
    .map((stage) => describe(run, deployContext(stage.environment), stage, liveSentence(run, stage)))
  // What an earlier run built and tested is told by that run.
  if (run.asked) return deploys
  // What was pushed as a tag may be no commit, and is known to be one once the run is planned.
  if (run.tag !== undefined && !run.plan && !isTerminal(run.state)) return []
  const of = (name: string) => run.stages.find((stage) => stage.name === name)
  const build = combine([of('checkout'), of('build'), of('publish')].filter((stage) => stage !== undefined))
  const statuses = [describe(run, 'taxiway/build', build, 'Built')]
  if (waiting && statuses[0]?.state === 'pending') statuses[0].description = oneLine(waiting.message, 140)
  const test = of('test')
  if (test && wantsTest(run)) statuses.push(describe(run, 'taxiway/test', test, 'Tests passed'))
  else if (test && run.plan?.testsLeftOut)
    statuses.push({
      ...describe(run, 'taxiway/test', test, ''),
      ...(test.state === 'succeeded' ? { description: noTest, weight: weights.leftOut } : {}),
    })
  const leftOut = run.plan?.deploysLeftOut ?? []
  return [...statuses, ...deploys, ...(test ? leftOut.map((name) => describe(run, deployContext(name), test, '')) : [])]
}

const deployContext = (environment: string | undefined) => `taxiway/deploy (${environment})`
const noTest = 'The pipeline has no test for this event, branch or change'

/**
 * A test context only where the plan has tests: one that was opened before that is known would never be closed. A run that is left out
 * has it as well, as a branch may require it.
 */
const wantsTest = ({ plan }: Run) => plan !== undefined && (plan.tests.length > 0 || plan.ignored !== undefined)

/** Checkout, build and publish make one context: the first that is not done speaks for it. */
const combine = (stages: Stage[]): Stage =>
  stages.find((stage) => stage.state !== 'succeeded' && stage.state !== 'skipped') ?? (stages.at(-1) as Stage)

function liveSentence(run: Run, stage: Stage): string {
  const release = run.releases.find((one) => one.environment === stage.environment)
  return release ? `Live, release ${release.generation}` : 'Live'
}

/** The last release on its way to this environment: an attempt before may have left one. */
const progressOf = (run: Run, stage: Stage): string | undefined =>
  run.releases.findLast((one) => one.environment === stage.environment)?.progress

type Say = (state: DesiredStatus['state'], text: string, weight?: number) => DesiredStatus

function describe(run: Run, context: string, stage: Stage, done: string): DesiredStatus {
  const status: Say = (state, text, weight = weights[state]) => ({
    context,
    state,
    description: oneLine(text, 140),
    weight,
  })
  switch (stage.state) {
    case 'pending':
      if (run.gate && run.gate.environment === stage.environment) return status('pending', run.gate.message)
      return status(
        'pending',
        stage.reason ? (waitsToRetry(run)?.message ?? `Trying again: ${stage.reason.message}`) : 'In progress',
      )
    case 'running':
      return status('pending', progressOf(run, stage) ?? 'In progress')
    case 'succeeded':
      return status('success', took(done, stage))
    case 'failed':
      return status('failure', stage.reason?.message ?? 'Failed')
    case 'errored':
      return status('error', stage.reason?.message ?? 'Something went wrong')
    case 'cancelled':
      return status('error', stage.reason?.message ?? run.reason?.message ?? 'Cancelled', weights.void)
    case 'superseded':
      return status(
        'error',
        stage.reason?.message ?? run.reason?.message ?? 'A newer push took its place',
        weights.void,
      )
    case 'skipped':
      return skipped(run, stage, status)
    default:
      return stage.state satisfies never
  }
}

function skipped(run: Run, stage: Stage, status: Say): DesiredStatus {
  // Who wants the checks of a branch passed by without running them does not get that by a commit's message.
  if (run.plan?.isSkipped) return status('pending', reason('ignored_skip_ci').message, weights.void)
  if (run.state === 'failed') return status('failure', 'Not run, because a stage before it failed')
  if (run.state === 'errored') return status('error', 'Not run, because a stage before it met an error')
  return isTerminal(run.state) || run.state === 'running'
    ? status('success', stage.reason?.message ?? 'Nothing to do', weights.leftOut)
    : status('pending', 'In progress')
}

function took(done: string, stage: Stage): string {
  const ms = Date.parse(stage.finishedAt ?? '') - Date.parse(stage.startedAt ?? '')
  return Number.isFinite(ms) ? `${done} in ${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s` : done
}
