import { expect, test } from 'vitest'
import type { KubeObject } from '../object.ts'
import { autoscalersOf, withReplicasOf } from './replicas.ts'

const object = (kind: string, name: string, spec: object): KubeObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name },
  spec,
})
const scalerOf = (name: string, kind: string, target: string) =>
  object('HorizontalPodAutoscaler', name, { scaleTargetRef: { kind, name: target } })

test('an autoscaler owns the number of what it names, by kind and name', () => {
  const scalers = autoscalersOf([
    scalerOf('of-web', 'Deployment', 'web'),
    scalerOf('of-db', 'StatefulSet', 'db'),
    object('Deployment', 'web', { scaleTargetRef: { kind: 'Deployment', name: 'other' } }),
    object('HorizontalPodAutoscaler', 'of-nothing', {}),
  ])
  expect([...scalers]).toEqual([
    ['Deployment/web', 'of-web'],
    ['StatefulSet/db', 'of-db'],
  ])
})

test('only a manifest that names a number is given the live one', () => {
  const live = object('Deployment', 'web', { replicas: 5 })
  expect(withReplicasOf(object('Deployment', 'web', { replicas: 2, paused: true }), live).spec).toEqual({
    replicas: 5,
    paused: true,
  })
  expect(withReplicasOf(object('Deployment', 'web', { paused: true }), live).spec).toEqual({ paused: true })
})
