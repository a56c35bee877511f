import { expect, test } from 'vitest'
import type { KubeObject } from '../object.ts'
import { autoscalersOf, keptReplicas, withLiveReplicas } from './autoscalers.ts'

const object = (kind: string, name: string, spec: object, managedFields: object[] = []): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, managedFields },
  spec,
})
const hpa = (name: string, kind: string, target: string) =>
  object('HorizontalPodAutoscaler', name, { scaleTargetRef: { kind, name: target } })
const keda = {
  ...object('ScaledObject', 'of-queue', { scaleTargetRef: { name: 'queue' } }),
  apiVersion: 'keda.sh/v1alpha1',
}
const scalers = autoscalersOf([
  hpa('of-web', 'Deployment', 'web'),
  hpa('of-db', 'StatefulSet', 'db'),
  keda,
  object('Deployment', 'web', { scaleTargetRef: { kind: 'Deployment', name: 'other' } }),
  object('HorizontalPodAutoscaler', 'of-nothing', {}),
])
const deployment = (replicas?: number, name = 'web') => object('Deployment', name, { replicas, paused: true })

test('an autoscaler owns the number of what it names, by kind and name', () => {
  expect([...scalers]).toEqual([
    ['Deployment/web', 'HorizontalPodAutoscaler/of-web'],
    ['StatefulSet/db', 'HorizontalPodAutoscaler/of-db'],
    ['Deployment/queue', 'ScaledObject.keda.sh/of-queue'],
  ])
})

test('what is scaled keeps its number, whatever the manifest names, and the log says so', () => {
  const sent = withLiveReplicas(deployment(1), deployment(4), scalers)
  expect(sent.spec).toEqual({ replicas: 4, paused: true })
  expect(keptReplicas(deployment(1), sent, scalers)).toBe(
    '; it keeps its 4 replicas, as HorizontalPodAutoscaler/of-web decides how many',
  )
  expect(keptReplicas(deployment(4), deployment(4), scalers)).toBe('')
  expect(withLiveReplicas(deployment(1, 'other'), deployment(4, 'other'), scalers).spec).toMatchObject({ replicas: 1 })
})

test('a number that the manifest leaves open is sent only while it is still ours, or it would fall back to 1', () => {
  const ours = { manager: 'taxiway', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }
  expect(withLiveReplicas(deployment(), object('Deployment', 'web', { replicas: 5 }, [ours]), scalers).spec).toEqual({
    replicas: 5,
    paused: true,
  })
  expect(withLiveReplicas(deployment(), deployment(5), scalers).spec).toEqual({ replicas: undefined, paused: true })
})

test('a manifest that names 0 stops, what is at 0 starts again; KEDA itself decides both', () => {
  expect(withLiveReplicas(deployment(0), deployment(4), scalers).spec).toMatchObject({ replicas: 0 })
  expect(withLiveReplicas(deployment(2), deployment(0), scalers).spec).toMatchObject({ replicas: 2 })
  expect(withLiveReplicas(deployment(2, 'queue'), deployment(0, 'queue'), scalers).spec).toMatchObject({ replicas: 0 })
  expect(withLiveReplicas(deployment(0, 'queue'), deployment(3, 'queue'), scalers).spec).toMatchObject({ replicas: 3 })
})
