import { expect, test } from 'vitest'
import type { KubeObject } from '../object.ts'
import { healthOf } from './health.ts'

const object = (kind: string, spec: object, status: object): KubeObject => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name: 'web', generation: 2 },
  spec,
  status,
})
const seen = { observedGeneration: 2 }

test('a deployment is healthy only when every pod is new and available', () => {
  const state = (status: object) => healthOf(object('Deployment', { replicas: 2 }, { ...seen, ...status })).state
  expect(state({ replicas: 2, updatedReplicas: 2, availableReplicas: 2 })).toBe('healthy')
  expect(state({ replicas: 3, updatedReplicas: 2, availableReplicas: 3 })).toBe('progressing')
  expect(state({ replicas: 2, updatedReplicas: 2, availableReplicas: 1 })).toBe('progressing')
  expect(state({ replicas: 2, updatedReplicas: 1, availableReplicas: 2 })).toBe('progressing')
})

test('a status of before the change says nothing', () => {
  const status = { observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1 }
  expect(healthOf(object('Deployment', { replicas: 1 }, status)).state).toBe('progressing')
})

test('a deployment that exceeded its progress deadline has failed', () => {
  const conditions = [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }]
  expect(healthOf(object('Deployment', { replicas: 1 }, { ...seen, conditions })).state).toBe('failed')
})

test('a progress deadline exceeded by the release before does not count', () => {
  const lastUpdateTime = '2024-05-01T12:00:00Z'
  const conditions = [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', lastUpdateTime }]
  const late = object('Deployment', { replicas: 1 }, { ...seen, conditions })
  expect(healthOf(late, lastUpdateTime).state).toBe('progressing')
  expect(healthOf(late, '2024-05-01T11:00:00Z').state).toBe('failed')
})

test('a deployment scaled to 0 is healthy once its pods are gone', () => {
  expect(healthOf(object('Deployment', { replicas: 0 }, { ...seen, replicas: 1 })).state).toBe('progressing')
  expect(healthOf(object('Deployment', { replicas: 0 }, seen)).state).toBe('healthy')
})

test('a stateful set is healthy when the new revision is everywhere', () => {
  const state = (status: object) => healthOf(object('StatefulSet', { replicas: 2 }, { ...seen, ...status })).state
  const revisions = { currentRevision: 'a', updateRevision: 'b' }
  expect(state({ replicas: 2, readyReplicas: 2, updatedReplicas: 1, ...revisions })).toBe('progressing')
  expect(state({ replicas: 2, readyReplicas: 1, updatedReplicas: 2, ...revisions })).toBe('progressing')
  expect(state({ replicas: 2, readyReplicas: 2, updatedReplicas: 2, ...revisions })).toBe('healthy')
})

test('a stateful set keeps its minReadySeconds', () => {
  const ready = { replicas: 1, readyReplicas: 1, updatedReplicas: 1 }
  const state = (spec: object, status: object) =>
    healthOf(object('StatefulSet', { replicas: 1, ...spec }, { ...seen, ...ready, ...status })).state
  expect(state({ minReadySeconds: 10 }, { availableReplicas: 0 })).toBe('progressing')
  expect(state({ minReadySeconds: 10 }, { availableReplicas: 1 })).toBe('healthy')
  expect(state({}, {})).toBe('healthy')
})

test.each(['StatefulSet', 'DaemonSet'])(
  'a %s with OnDelete says what does not run it yet, and must be ready',
  (kind) => {
    const told = (updated: number, ready: number) =>
      healthOf(
        object(
          kind,
          { replicas: 2, updateStrategy: { type: 'OnDelete' } },
          {
            ...seen,
            ...{ replicas: 2, readyReplicas: ready, updatedReplicas: updated },
            ...{ desiredNumberScheduled: 2, updatedNumberScheduled: updated, numberAvailable: ready },
          },
        ),
      )
    expect(told(0, 2)).toEqual({
      state: 'healthy',
      detail: '0 of 2 pods updated, the others once they are deleted (OnDelete)',
    })
    expect(told(2, 2).detail).toBe('2/2')
    expect(told(2, 1).state).toBe('progressing')
  },
)

test('a deployment that is paused says so', () => {
  const paused = { replicas: 1, paused: true }
  const status = { ...seen, replicas: 1, updatedReplicas: 0, availableReplicas: 1 }
  expect(healthOf(object('Deployment', paused, status))).toEqual({
    state: 'progressing',
    detail: 'it is paused (kubectl rollout pause, or paused in its manifest), 0 of 1 pods ready',
  })
  expect(healthOf(object('Deployment', paused, { ...status, updatedReplicas: 1 })).state).toBe('healthy')
})

test('a daemon set is healthy when every node runs the new pod', () => {
  const state = (status: object) => healthOf(object('DaemonSet', {}, { ...seen, ...status })).state
  expect(state({ desiredNumberScheduled: 2, updatedNumberScheduled: 1, numberAvailable: 2 })).toBe('progressing')
  expect(state({ desiredNumberScheduled: 2, updatedNumberScheduled: 2, numberAvailable: 2 })).toBe('healthy')
})

test('a job is healthy when it is complete, and failed when it says so', () => {
  const state = (type: string) => healthOf(object('Job', {}, { conditions: [{ type, status: 'True' }] })).state
  expect([state('Complete'), state('Failed'), state('Other')]).toEqual(['healthy', 'failed', 'progressing'])
})

test('what runs no pods is in place at once', () => {
  expect(healthOf(object('ConfigMap', {}, {})).state).toBe('healthy')
})
