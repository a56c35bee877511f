import type { Stage } from '@taxiway/domain/run/parts.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import { expect, test } from 'vitest'
import { desiredStatuses } from './desired.ts'

const names = ['checkout', 'build', 'test', 'publish'] as const
/** A run with these states of its stages, those of a list in its order. */
const runOf = (states: Stage['state'][], more: Partial<Run> = {}, stage: Partial<Stage> = {}) =>
  ({
    state: 'succeeded',
    branch: 'main',
    releases: [],
    stages: names.map((name, index) => ({ name, state: states[index] ?? states[0], ...stage })),
    ...more,
  }) as unknown as Run
const plan = (more: Partial<NonNullable<Run['plan']>> = {}) => ({ images: [], tests: [], environments: [], ...more })
const told = (run: Run) =>
  Object.fromEntries(
    desiredStatuses(run).map(({ context, state, description }) => [context, `${state}: ${description}`]),
  )
const weightOf = (run: Run, context = 'taxiway/test') =>
  desiredStatuses(run).find((one) => one.context === context)?.weight ?? Number.NaN

test('a run that is left out answers every context that a branch may require, with the rule', () => {
  const reason = { code: 'ignored_by_pipeline' as const, message: 'The pipeline leaves this out: it has no on.tag.' }
  const left = runOf(
    ['skipped'],
    { plan: plan({ ignored: 'x', deploysLeftOut: ['staging', 'production'] }) },
    { reason },
  )
  expect(told(left)).toEqual({
    'taxiway/build': `success: ${reason.message}`,
    'taxiway/test': `success: ${reason.message}`,
    'taxiway/deploy (staging)': `success: ${reason.message}`,
    'taxiway/deploy (production)': `success: ${reason.message}`,
  })
  const live = runOf(['succeeded'])
  live.stages.push({ name: 'deploy', environment: 'staging', state: 'succeeded' })
  expect(weightOf(left, 'taxiway/deploy (staging)')).toBeLessThan(weightOf(live, 'taxiway/deploy (staging)'))
  const before = runOf(['succeeded', 'pending', 'pending'], {
    state: 'running',
    plan: left.plan as NonNullable<Run['plan']>,
  })
  expect(told(before)['taxiway/deploy (staging)']).toBe('pending: In progress')
})

test('a test context is there when all tests are for something else, and is not called passed', () => {
  expect(told(runOf(['succeeded'], { plan: plan({ testsLeftOut: 2 }) }))['taxiway/test']).toBe(
    'success: The pipeline has no test for this event, branch or change',
  )
  const before = runOf(['succeeded', 'running', 'pending'], { state: 'running', plan: plan({ testsLeftOut: 2 }) })
  expect(told(before)['taxiway/test']).toBe('pending: In progress')
  expect(told(runOf(['succeeded'], { plan: plan() }))).not.toHaveProperty('taxiway/test')
})

test('a commit that asks to skip CI passes nothing by that', () => {
  const skipped = runOf(['skipped'], { plan: plan({ ignored: 'the commit asks', isSkipped: true }) })
  expect(told(skipped)).toEqual({
    'taxiway/build': 'pending: The commit message asks to skip CI.',
    'taxiway/test': 'pending: The commit message asks to skip CI.',
  })
})

test('what was pushed as a tag is told of once it is known to be a commit', () => {
  const early = { state: 'running', tag: 'v1', branch: '' } as const
  expect(told(runOf(['running', 'pending'], early))).toEqual({})
  expect(told(runOf(['running', 'pending'], { ...early, plan: plan() }))).toHaveProperty('taxiway/build')
  expect(told(runOf(['failed', 'skipped'], { ...early, state: 'failed' }))).toHaveProperty('taxiway/build')
})

test('verdicts weigh more than what is on its way, and that more than what was never run', () => {
  const tests = [{ name: 'unit' }] as NonNullable<Run['plan']>['tests']
  const weights = (['failed', 'errored', 'running', 'succeeded', 'skipped', 'superseded'] as const).map((state) =>
    weightOf(runOf(['succeeded', 'succeeded', state], { plan: plan({ tests }) })),
  )
  expect(weights).toEqual([...weights].sort((a, b) => b - a))
  expect(new Set(weights).size).toBe(weights.length)
  expect(weightOf(runOf(['cancelled'], { plan: plan({ tests }) }))).toBe(weights.at(-1))
})
