import { expect, test } from 'vitest'
import type { KubeObject } from '../object.ts'
import { leftoversIn } from './leftovers.ts'

const made = (kind: string, spec: object, managedFields: object[] = []): KubeObject => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name: 'web', managedFields },
  spec: spec as Record<string, unknown>,
})
const held = (spec: object, manager = 'taxiway', operation = 'Apply') => ({
  manager,
  operation,
  fieldsV1: { 'f:spec': spec },
})
const container = 'k:{"name":"web"}'

test('what the server filled in is nobody’s, in maps and in entries of lists', () => {
  const live = made(
    'Deployment',
    {
      replicas: 1,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%' } },
      containers: [
        { name: 'web', image: 'x', readinessProbe: { httpGet: { port: 80, scheme: 'HTTP' }, periodSeconds: 10 } },
      ],
    },
    [
      held({
        'f:replicas': {},
        'f:containers': {
          [container]: { 'f:name': {}, 'f:image': {}, 'f:readinessProbe': { 'f:httpGet': { 'f:port': {} } } },
        },
      }),
    ],
  )
  const containers = [{ name: 'web', image: 'x', readinessProbe: { tcpSocket: { port: 80 } } }]
  expect(leftoversIn(live, made('Deployment', { replicas: 1, strategy: { type: 'Recreate' }, containers }))).toEqual({
    'f:progressDeadlineSeconds': {},
    'f:strategy': { 'f:rollingUpdate': {} },
    'f:containers': { [container]: { 'f:readinessProbe': { 'f:httpGet': { 'f:scheme': {} }, 'f:periodSeconds': {} } } },
  })
})

test('what others hold stays theirs, and what a server chooses once stays as it is', () => {
  const spec = { strategy: { rollingUpdate: { maxSurge: 2 } } }
  const others = [
    held({}),
    held({ 'f:strategy': { 'f:rollingUpdate': { 'f:maxSurge': {} } } }, 'kubectl-edit', 'Update'),
  ]
  expect(leftoversIn(made('Deployment', spec, others), made('Deployment', { strategy: {} }))).toBeUndefined()
  const service = { clusterIP: '10.0.0.1', ports: [{ nodePort: 3000 }], sessionAffinityConfig: {} }
  expect(leftoversIn(made('Service', service, [held({})]), made('Service', {}))).toEqual({
    'f:sessionAffinityConfig': {},
  })
  expect(leftoversIn(made('Job', { selector: {} }, [held({})]), made('Job', {}))).toBeUndefined()
})
