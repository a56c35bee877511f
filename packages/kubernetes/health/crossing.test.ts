import { expect, test } from 'vitest'
import type { ClusterRelease, KubeObject } from '../object.ts'
import { crossingsIn, servicesWithoutPods } from './crossing.ts'

type Labels = Record<string, string>
const place = (environment: string, repository = 'repo_1') => ({
  'taxiway.dev/repository': repository,
  'taxiway.dev/environment': environment,
})
const workload = (name: string, pods: Labels, labels: Labels = {}): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, labels },
  spec: { template: { metadata: { labels: pods } } },
})
const service = (name: string, selector?: Labels, labels: Labels = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, labels },
  spec: selector ? { selector } : {},
})
const release = (objects: KubeObject[]): ClusterRelease => ({
  repositoryId: 'repo_1',
  environment: 'a',
  namespace: 'shared',
  runId: 'run_1',
  generation: 1,
  objects,
  digests: [],
})
const web = { app: 'web' }

test('a Service that also selects pods of another environment is told, whichever of them it is of', () => {
  const own = release([workload('web-a', web), service('web-a', web)])
  const neighbours = [workload('web-b', web, place('b')), service('web-b', web, place('b'))]
  expect(crossingsIn(own, neighbours)).toEqual([
    'Service/web-a also selects pods of environment b',
    'Service/web-b of environment b also selects pods of environment a',
  ])
  const foreign = [workload('web-c', web, place('c', 'repo_2'))]
  expect(crossingsIn(own, foreign)).toEqual(['Service/web-a also selects pods of environment c of another repository'])
})

test('its own pods, and those with other labels, cross nothing', () => {
  const own = release([workload('web', web), service('web', web)])
  const live = [
    workload('web', web, place('a')),
    workload('db', { app: 'db' }, place('b')),
    service('open', {}, place('b')),
  ]
  expect(crossingsIn(own, live)).toEqual([])
})

test('a Service whose selector fits no pod of the release is told; one without a selector means others', () => {
  const team = { ...web, 'app.kubernetes.io/managed-by': 'team' }
  const objects = [workload('web', team), service('web', team), service('old', { app: 'old' }), service('outside')]
  expect(servicesWithoutPods({ objects })).toEqual(['Service/old'])
})
