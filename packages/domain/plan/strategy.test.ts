import { expect, test } from 'vitest'
import { planStrategy, strategyMs, strategyProblem, withReferences } from './strategy.ts'

const steps = (...weights: number[]) => ({ steps: weights.map((weight) => ({ weight })) })
const job = (image?: string) => ({ job: { ...(image ? { image } : {}), run: ['true'] } })

test('every default is filled in', () => {
  const deploy = { canary: { steps: [{ weight: 5, pause: '2m' }, { weight: 50 }], analysis: [{ http: '/' }, job()] } }
  const strategy = planStrategy(deploy, ['web'], 60_000)
  expect(strategy).toEqual({
    kind: 'canary',
    steps: [
      { weight: 5, pauseMs: 120_000 },
      { weight: 50, pauseMs: 30_000 },
    ],
    analysis: [
      { kind: 'http', path: '/', success: 100 },
      { kind: 'job', image: 'web', run: ['true'], env: {}, timeoutMs: 300_000 },
    ],
    timeoutMs: 60_000,
  })
  expect(planStrategy({ blue_green: {} }, [], 1)).toEqual({
    kind: 'blue_green',
    pauseMs: 30_000,
    analysis: [],
    timeoutMs: 1,
  })
  expect(planStrategy({}, [], 1)).toBeUndefined()
  expect(strategy && strategyMs(strategy)).toBeGreaterThan(150_000 + 2 * 300_000)
})

test('digests stand where images were named, and commands know of the run beside their own variables', () => {
  const own = { job: { image: 'web', run: ['true'], env: { TAXIWAY_TAG: 'ours' } } }
  const strategy = planStrategy({ canary: { ...steps(10), analysis: [own] } }, ['web'], 1)
  if (!strategy) throw new Error('no strategy')
  const told = { TAXIWAY_SHA: 'abc', TAXIWAY_TAG: '' }
  expect(withReferences(strategy, { web: 'r/web@sha256:1' }, told)).toMatchObject({
    value: { analysis: [{ image: 'r/web@sha256:1', env: { TAXIWAY_SHA: 'abc', TAXIWAY_TAG: 'ours' } }] },
  })
  const missing = withReferences(strategy, Object.create({ web: 'inherited' }), told)
  expect(missing.ok ? '' : missing.reason.code).toBe('image_unresolved')
})

test.each([
  [{ canary: steps(10, 50) }, undefined],
  [{ canary: steps(10, 10) }, 'canary.steps.1.weight'],
  [{ canary: steps(50, 10) }, 'canary.steps.1.weight'],
  [{ canary: steps(10), blue_green: {} }, 'blue_green'],
  [{ blue_green: { analysis: [{ prometheus: 'https://p', query: 'up' }] } }, 'blue_green.analysis.0'],
  [{ blue_green: { analysis: [{ prometheus: 'https://p', query: 'up', min: 0 }] } }, undefined],
  [{ canary: { ...steps(10), analysis: [job()] } }, 'canary.analysis.0.job'],
  [{ canary: { ...steps(10), analysis: [job('wep')] } }, 'canary.analysis.0.job'],
  [{ canary: { ...steps(10), analysis: [job('web')] } }, undefined],
])('%j', (deploy, path) => {
  expect(strategyProblem(deploy, ['web', 'worker'])?.path.join('.')).toBe(path)
})
