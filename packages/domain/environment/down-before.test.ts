import { expect, test } from 'vitest'
import { downBefore } from './down-before.ts'
import type { PodState, SeenState, WorkloadState } from './state.ts'

const nowMs = Date.parse('2026-03-01T12:00:00Z')
const ago = (seconds: number) => new Date(nowMs - seconds * 1000).toISOString()
const live = { generation: 2, at: ago(300) }
const pod = (more: Partial<PodState>): PodState => ({
  name: 'web-1',
  phase: 'Running',
  ready: true,
  restarts: 0,
  ...more,
})
const seen = (since: number, web: Partial<WorkloadState>): SeenState => {
  const workload = { kind: 'Deployment', name: 'web', wanted: 1, ready: 1, images: [], pods: [] }
  const workloads = [{ ...workload, condition: 'healthy' as const, ...web }]
  return {
    condition: workloads[0]?.condition ?? 'unknown',
    since: ago(since),
    seenAt: ago(1),
    generation: 2,
    workloads,
  }
}

test('a release without a ready pod for a while was down, one that is replacing its pod was not', () => {
  const down = { condition: 'down' as const, detail: 'crash loop, exit 9' }
  expect(downBefore(seen(60, down), live, nowMs)).toBe('web: crash loop, exit 9')
  expect(downBefore(seen(5, down), live, nowMs)).toBeUndefined()
  expect(downBefore(seen(60, { condition: 'degraded' }), live, nowMs)).toBeUndefined()
})

test('a release that crashes again and again was down, also in the moment in which its pod is ready', () => {
  const crashed = (restarts: number, seconds: number, code = 9) =>
    downBefore(seen(3, { pods: [pod({ restarts, lastExit: { code, at: ago(seconds) } })] }), live, nowMs)
  expect(crashed(2, 20)).toBe('web: crash loop, exit 9')
  expect(crashed(1, 20)).toBeUndefined()
  expect(crashed(2, 20, 0)).toBeUndefined()
  // It waited for its database by exiting, before it was live.
  expect(crashed(4, 301)).toBeUndefined()
  expect(
    downBefore(
      seen(3, { pods: [pod({ restarts: 9, lastExit: { code: 1, at: ago(700) } })] }),
      { generation: 2 },
      nowMs,
    ),
  ).toBeUndefined()
})

test('what was seen of another release says nothing', () => {
  expect(downBefore(undefined, live, nowMs)).toBeUndefined()
  expect(downBefore({ ...seen(60, { condition: 'down' }), generation: 3 }, live, nowMs)).toBeUndefined()
})
