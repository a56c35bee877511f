import { expect, test } from 'vitest'
import type { ClusterRelease, KubeObject } from '../object.ts'
import { besideConfigs, besideDeployment, besideName } from './beside.ts'

const object = (kind: string, name: string, rest: object = {}): KubeObject => ({
  apiVersion: kind === 'Deployment' ? 'apps/v1' : 'v1',
  kind,
  metadata: { name, namespace: 'shop', labels: { app: 'web' }, annotations: { 'taxiway.dev/run': 'run_1' } },
  ...rest,
})
const web = object('Deployment', 'web', {
  spec: {
    replicas: 4,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        volumes: [
          { name: 'settings', configMap: { name: 'settings' } },
          {
            name: 'all',
            projected: { sources: [{ configMap: { name: 'settings' } }, { secret: { name: 'foreign' } }] },
          },
          { name: 'key', secret: { secretName: 'key' } },
        ],
        containers: [
          {
            name: 'web',
            image: 'settings',
            args: ['settings'],
            env: [
              { name: 'settings', value: 'settings' },
              { name: 'B', valueFrom: { configMapKeyRef: { name: 'settings', key: 'settings' } } },
              { name: 'C', valueFrom: { configMapKeyRef: { name: 'foreign', key: 'x' } } },
            ],
            envFrom: [{ configMapRef: { name: 'settings' } }, { secretRef: { name: 'key' } }],
          },
        ],
      },
    },
  },
})
const release: ClusterRelease = {
  repositoryId: 'repo_1',
  environment: 'staging',
  namespace: 'shop',
  runId: 'run_1',
  generation: 3,
  digests: [],
  objects: [object('ConfigMap', 'settings', { data: { a: '1' } }), object('Secret', 'key'), web],
}

test('pods beside are selected by the same Services, told apart by a label, and read copies of what the release has', () => {
  const before = structuredClone(release)
  const made = besideDeployment(release, web, { kind: 'canary', replicas: 1, before: 4, step: 2 })
  expect(made.metadata).toMatchObject({
    name: 'web-canary',
    labels: { app: 'web', 'taxiway.dev/beside': 'canary' },
    annotations: {
      'taxiway.dev/run': 'run_1',
      'taxiway.dev/beside-of': 'web',
      'taxiway.dev/replicas-before': '4',
      'taxiway.dev/step': '2',
    },
  })
  const both = { app: 'web', 'taxiway.dev/beside': 'canary' }
  const place = { 'taxiway.dev/repository': 'repo_1', 'taxiway.dev/environment': 'staging' }
  expect(made.spec).toEqual({
    replicas: 1,
    selector: { matchLabels: both },
    template: {
      metadata: { labels: { ...both, ...place }, annotations: { 'taxiway.dev/beside-of': 'web' } },
      spec: {
        volumes: [
          { name: 'settings', configMap: { name: 'settings-canary' } },
          {
            name: 'all',
            projected: { sources: [{ configMap: { name: 'settings-canary' } }, { secret: { name: 'foreign' } }] },
          },
          { name: 'key', secret: { secretName: 'key-canary' } },
        ],
        containers: [
          {
            name: 'web',
            image: 'settings',
            args: ['settings'],
            env: [
              { name: 'settings', value: 'settings' },
              { name: 'B', valueFrom: { configMapKeyRef: { name: 'settings-canary', key: 'settings' } } },
              { name: 'C', valueFrom: { configMapKeyRef: { name: 'foreign', key: 'x' } } },
            ],
            envFrom: [{ configMapRef: { name: 'settings-canary' } }, { secretRef: { name: 'key-canary' } }],
          },
        ],
      },
    },
  })
  expect(besideConfigs(release, 'canary').map(({ metadata }) => metadata.name)).toEqual([
    'settings-canary',
    'key-canary',
  ])
  expect(release).toEqual(before)
})

test('derived names are labels, and differ where long names differ', () => {
  const long = 'a'.repeat(60)
  const names = [besideName(`${long}b`, 'canary'), besideName(`${long}c`, 'canary'), besideName(long, 'green')]
  expect(new Set(names).size).toBe(3)
  for (const name of names) expect(name).toMatch(/^[a-z0-9-]{1,63}$/)
})
