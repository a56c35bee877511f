import { expect, test } from 'vitest'
import { boundPods, conditionOf, stateAt, type WorkloadState, worst } from './state.ts'

const workload = (name: string, wanted: number, ready: number, pods: WorkloadState['pods'] = []): WorkloadState => ({
  kind: 'Deployment',
  name,
  condition: conditionOf(wanted, ready),
  wanted,
  ready,
  images: [],
  pods,
})

test('an environment is as well as its worst workload, and what shall not run is well', () => {
  expect(worst([])).toBe('healthy')
  expect(worst([workload('a', 2, 2), workload('b', 0, 0)])).toBe('healthy')
  expect(worst([workload('a', 2, 2), workload('b', 2, 1)])).toBe('degraded')
  expect(worst([workload('a', 2, 0), workload('b', 2, 1)])).toBe('down')
})

test('pods that are not ready are kept first, and what is left out is counted', () => {
  const pods = Array.from({ length: 250 }, (_, index) => ({
    name: `p${index}`,
    phase: 'Running',
    ready: index !== 249,
    restarts: 0,
  }))
  const [first] = boundPods([workload('a', 250, 249, pods)])
  expect(first?.pods[0]?.name).toBe('p249')
  expect([first?.pods.length, first?.podsLeftOut]).toEqual([20, 230])
  const many = boundPods(Array.from({ length: 30 }, (_, index) => workload(`w${index}`, 250, 249, pods)))
  expect(many.reduce((sum, one) => sum + one.pods.length, 0)).toBe(200)
})

test('a look that is too old says unknown, since the time of the look', () => {
  const seen = {
    condition: 'healthy' as const,
    since: '2026-01-01T00:00:00.000Z',
    seenAt: '2026-01-01T00:10:00.000Z',
    workloads: [],
  }
  expect(stateAt(seen, Date.parse('2026-01-01T00:11:00Z'))).toMatchObject({ condition: 'healthy', ageSeconds: 60 })
  expect(stateAt(seen, Date.parse('2026-01-01T00:13:00Z'))).toMatchObject({
    condition: 'unknown',
    since: seen.seenAt,
    ageSeconds: 180,
  })
})
