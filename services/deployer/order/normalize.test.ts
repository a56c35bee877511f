import { expect, test } from 'vitest'
import { normalize } from './normalize.ts'

const made = (kind: string, spec: object, metadata: object = {}) =>
  normalize({ apiVersion: 'v1', kind, metadata: { name: 'web', ...metadata }, spec, status: { replicas: 1 } }) as any

test('quantities are text wherever they stand, as older servers want them', () => {
  const { spec } = made('StatefulSet', {
    template: {
      spec: {
        containers: [
          {
            resources: { limits: { cpu: 1, memory: '128Mi' }, requests: { cpu: 0.5 } },
            env: [{ name: 'CPUS', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: 1 } } }],
            ports: [{ containerPort: 80 }],
          },
        ],
        initContainers: [{ resources: { limits: { cpu: 2 } } }],
        volumes: [
          { name: 'a', emptyDir: { sizeLimit: 1048576 } },
          { name: 'b', ephemeral: { volumeClaimTemplate: { spec: { resources: { requests: { storage: 1e9 } } } } } },
        ],
      },
    },
    volumeClaimTemplates: [{ metadata: { name: 'd' }, spec: { resources: { requests: { storage: 5e9 } } } }],
  })
  expect(spec.template.spec.containers[0]).toEqual({
    resources: { limits: { cpu: '1', memory: '128Mi' }, requests: { cpu: '0.5' } },
    env: [{ name: 'CPUS', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1' } } }],
    ports: [{ containerPort: 80 }],
  })
  expect(spec.template.spec.initContainers[0].resources.limits.cpu).toBe('2')
  expect(spec.template.spec.volumes[0].emptyDir.sizeLimit).toBe('1048576')
  expect(spec.template.spec.volumes[1].ephemeral.volumeClaimTemplate.spec.resources.requests.storage).toBe('1000000000')
  expect(spec.volumeClaimTemplates[0].spec.resources.requests.storage).toBe('5000000000')
  expect(
    made('PersistentVolumeClaim', { resources: { requests: { storage: 7 } } }).spec.resources.requests.storage,
  ).toBe('7')
  const metrics = [
    { type: 'Pods', pods: { metric: { name: 'q' }, target: { type: 'AverageValue', averageValue: 10 } } },
  ]
  expect(made('HorizontalPodAutoscaler', { minReplicas: 2, metrics }).spec).toMatchObject({
    minReplicas: 2,
    metrics: [{ pods: { target: { averageValue: '10' } } }],
  })
})

test('what servers and controllers wrote into an exported object is left out, what people wrote is not', () => {
  const metadata = {
    uid: 'u',
    resourceVersion: '1',
    generation: 3,
    creationTimestamp: '2026-01-01T00:00:00Z',
    managedFields: [],
    annotations: {
      'deployment.kubernetes.io/revision': '7',
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
      'deprecated.daemonset.template.generation': '2',
      note: 'ours',
    },
  }
  const template = { metadata: { creationTimestamp: null, labels: { app: 'web' } }, spec: { containers: [] } }
  const { metadata: kept, spec, status } = made('Deployment', { replicas: 2, template }, metadata)
  expect(kept).toEqual({ name: 'web', annotations: { note: 'ours' } })
  expect(spec).toEqual({ replicas: 2, template: { metadata: { labels: { app: 'web' } }, spec: { containers: [] } } })
  expect(status).toBeUndefined()
  const address = { clusterIP: '10.0.0.7', clusterIPs: ['10.0.0.7'], ports: [{ port: 80, targetPort: 8080 }] }
  expect(made('Service', structuredClone(address), { uid: 'u' }).spec).toEqual({ ports: address.ports })
  expect(made('Service', { clusterIP: 'None' }, { uid: 'u' }).spec).toEqual({ clusterIP: 'None' })
  expect(made('Service', structuredClone(address)).spec).toEqual(address)
  const labels = { app: 'seed', 'controller-uid': 'u', 'batch.kubernetes.io/job-name': 'web' }
  const job = { selector: { matchLabels: labels }, template: { metadata: { labels: { ...labels } }, spec: {} } }
  expect(made('Job', job, { uid: 'u' }).spec).toEqual({ template: { metadata: { labels: { app: 'seed' } }, spec: {} } })
})
