import type { Measure } from '@taxiway/domain/plan/strategy.ts'
import { expect, test } from 'vitest'
import type { ClusterRelease, KubeObject } from '../object.ts'
import { objectionTo } from './strategy.ts'

const deployment = (name: string, spec: object = {}): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: { template: { spec: { containers: [{ ports: [{ containerPort: 8080 }] }] } }, ...spec },
})
const release = (...objects: KubeObject[]): ClusterRelease => ({
  repositoryId: 'repo_1',
  environment: 'staging',
  namespace: 'shop',
  runId: 'run_1',
  generation: 1,
  digests: [],
  objects,
})
const objection = (objects: KubeObject[], analysis: Measure[] = []) =>
  objectionTo(release(...objects), { kind: 'canary', analysis })?.object

test('a release must have something that new pods can stand beside', () => {
  expect(objection([deployment('web')])).toBeUndefined()
  expect(objection([deployment('web', { replicas: 0 })])).toBe('canary')
  expect(objection([{ apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'db' } }])).toBe('canary')
  expect(objection([deployment('web'), deployment('once', { strategy: { type: 'Recreate' } })])).toBe('Deployment/once')
  expect(objection([deployment('web'), deployment('web-canary')])).toBe('Deployment/web-canary')
})

test('a measure by HTTP needs a port', () => {
  const http: Measure = { kind: 'http', path: '/', success: 100 }
  const portless = deployment('web', { template: { spec: { containers: [{}] } } })
  expect(objection([deployment('web')], [http])).toBeUndefined()
  expect(objection([portless], [http])).toBe('canary')
  expect(objection([portless], [{ ...http, port: 80 }])).toBeUndefined()
})
