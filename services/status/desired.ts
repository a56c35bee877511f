import { oneLine } from '@taxiway/domain/reason.ts'
import type { Stage } from '@taxiway/domain/run/parts.ts'
import { waitsToRetry } from '@taxiway/domain/run/retry.ts'
import { isTerminal, type Run } from '@taxiway/domain/run/run.ts'

/** What the git host shall say of a commit in one context. */
export interface DesiredStatus {
  context: string
  state: 'pending' | 'success' | 'failure' | 'error'
  /** GitHub takes 140 characters at most. */
  description: string
}

/** The statuses that a run wants on its commit, with why it waits for its turn. Pure: the same run wants the same. */
export function desiredStatuses(run: Run, waiting?: { message: string }): DesiredStatus[] {
  const deploys = run.stages
    .filter((one) => one.environment !== undefined)
    .map((stage) => describe(run, `taxiway/deploy (${stage.environment})`, stage, liveSentence(run, stage)))
  // What an earlier run built and tested is told by that run.
  if (run.asked) return deploys
  const of = (name: string) => run.stages.find((stage) => stage.name === name)
  const build = combine([of('checkout'), of('build'), of('publish')].filter((stage) => stage !== undefined))
  const statuses = [describe(run, 'taxiway/build', build, 'Built')]
  if (waiting && statuses[0]?.state === 'pending') statuses[0].description = oneLine(waiting.message, 140)
  const test = of('test')
  if (test && wantsTest(run)) statuses.push(describe(run, 'taxiway/test', test, 'Tests passed'))
  return [...statuses, ...deploys]
}

/** A test context only where the plan has tests: one that was opened before that is known would never be closed. */
const wantsTest = (run: Run) => (run.plan?.tests.length ?? 0) > 0

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

function describe(run: Run, context: string, stage: Stage, done: string): DesiredStatus {
  const status = (state: DesiredStatus['state'], text: string) => ({ context, state, description: oneLine(text, 140) })
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
      return status('error', stage.reason?.message ?? run.reason?.message ?? 'Cancelled')
    case 'superseded':
      return status('error', stage.reason?.message ?? run.reason?.message ?? 'A newer push took its place')
    case 'skipped':
      return skipped(run, stage, status)
    default:
      return stage.state satisfies never
  }
}

function skipped(
  run: Run,
  stage: Stage,
  status: (state: DesiredStatus['state'], text: string) => DesiredStatus,
): DesiredStatus {
  if (run.state === 'failed') return status('failure', 'Not run, because a stage before it failed')
  if (run.state === 'errored') return status('error', 'Not run, because a stage before it met an error')
  return isTerminal(run.state) || run.state === 'running'
    ? status('success', stage.reason?.message ?? 'Nothing to do')
    : status('pending', 'In progress')
}

function took(done: string, stage: Stage): string {
  const ms = Date.parse(stage.finishedAt ?? '') - Date.parse(stage.startedAt ?? '')
  return Number.isFinite(ms) ? `${done} in ${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s` : done
}
