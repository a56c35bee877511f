import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { expect, test } from 'vitest'
import { readObjects } from './workload.ts'

const image = `registry:5000/web@sha256:${'1'.repeat(64)}`
const web = (container: object = {}, pod: object = {}, spec: object = {}, kind = 'Deployment'): RenderedObject => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name: 'web' },
  spec: {
    ...spec,
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        containers: [{ name: 'web', image, ports: [{ name: 'http', containerPort: 8080 }], ...container }],
        ...pod,
      },
    },
  },
})
const service = (targetPort: unknown = 'http', selector: object = { app: 'web' }): RenderedObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'front' },
  spec: { selector, ports: [{ port: 80, targetPort }] },
})
const config = (data: object): RenderedObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'settings' },
  data,
})
function planOf(...objects: RenderedObject[]) {
  const plan = readObjects(objects)
  if (!plan.ok) throw new Error(plan.reason.message)
  return plan.value
}

test('a deployment and its service become containers with the defaults of this target', () => {
  const { workloads, services, notes } = planOf(web({}, {}, { replicas: 2 }), service())
  expect(workloads).toMatchObject([
    { name: 'web', replicas: 2, image, memoryMb: 512, cpus: 1, probe: { tcp: 8080, settleMs: 2000 } },
  ])
  expect(services).toEqual([{ service: 'front', workload: 'web', port: 8080 }])
  expect(notes).toEqual([])
})

test('a probe is asked as the manifest says, but never less than once a second', () => {
  const readinessProbe = { httpGet: { port: 'http', path: 'ready' }, periodSeconds: 30, initialDelaySeconds: 2 }
  expect(planOf(web({ readinessProbe })).workloads[0]?.probe).toEqual({
    http: { port: 8080, path: '/ready', headers: {} },
    settleMs: 0,
    failures: 3,
    initialDelayMs: 2000,
    periodMs: 1000,
    calmMs: 30_000,
    timeoutMs: 1000,
    successes: 1,
  })
})

test('variables come from values, config maps and the variables before them', () => {
  const container = {
    envFrom: [{ prefix: 'APP_', configMapRef: { name: 'settings' } }],
    env: [
      { name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'MODE' } } },
      { name: 'B', value: '$(A) $(UNKNOWN) $$(A)' },
      { name: 'C', valueFrom: { configMapKeyRef: { name: 'settings', key: 'NONE', optional: true } } },
    ],
    args: ['--mode=$(A)'],
  }
  const [workload] = planOf(web(container), config({ MODE: 'fast' })).workloads
  expect(workload?.env).toEqual({ APP_MODE: 'fast', A: 'fast', B: 'fast $(UNKNOWN) $(A)' })
  expect(workload).toMatchObject({ command: ['--mode=fast'], replacesEntrypoint: false })
})

test('what means nothing on one machine, and does no harm by that, is noted', () => {
  const ingress = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name: 'web' } }
  const pod = { volumes: [{ name: 'cache', emptyDir: {} }] }
  expect(planOf(web({ livenessProbe: {} }, pod), ingress, service(80, { app: 'other' })).notes.toSorted()).toEqual([
    'Deployment/web: emptyDir cache is a folder of the container here',
    'Deployment/web: livenessProbe is ignored here',
    'Ingress/web: ignored, it means nothing on one machine',
    'Service/front: ignored, its selector fits no workload of these manifests',
  ])
})

const fromSecret = { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }
const fromNoKey = { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'settings', key: 'constructor' } } }] }
test.each<[string, RenderedObject[], 'manifest_unsupported' | 'manifest_invalid', RegExp]>([
  ['a second container', [web({}, { containers: [{ image }, { image }] })], 'manifest_unsupported', /exactly one/],
  ['an init container', [web({}, { initContainers: [{ image }] })], 'manifest_unsupported', /initContainers/],
  ['a secret', [web(fromSecret)], 'manifest_unsupported', /variable A: secretKeyRef/],
  ['a key that no config map has', [web(fromNoKey), config({})], 'manifest_unsupported', /key constructor/],
  ['a volume', [web({}, { volumes: [{ name: 'v', configMap: {} }] })], 'manifest_unsupported', /volume v/],
  ['a job', [web({}, {}, {}, 'Job')], 'manifest_unsupported', /Job\/web/],
  ['two of a name', [web(), web({}, {}, {}, 'StatefulSet')], 'manifest_unsupported', /two workloads/],
  ['too many replicas', [web({}, {}, { replicas: 51 })], 'manifest_unsupported', /50 replicas/],
  ['a probe by gRPC', [web({ readinessProbe: { grpc: { port: 1 } } })], 'manifest_unsupported', /httpGet/],
  ['a misspelt field', [web({ redinessProbe: {} })], 'manifest_invalid', /no field redinessProbe/],
  ['replicas in words', [web({}, {}, { replicas: 'two' })], 'manifest_invalid', /spec\.replicas/],
  ['a limit in words', [web({ resources: { limits: { memory: 'much' } } })], 'manifest_invalid', /memory limit much/],
  ['an unknown port', [web(), service('admin')], 'manifest_invalid', /port admin/],
  ['a number in a config map', [web(), config({ PORT: 80 })], 'manifest_invalid', /data\.PORT/],
  ['no pod at all', [{ ...web(), spec: undefined }], 'manifest_unsupported', /exactly one/],
])('%s is refused', (_, objects, code, words) => {
  const plan = readObjects(objects)
  expect(plan.ok ? undefined : plan.reason).toMatchObject({ code, message: expect.stringMatching(words) })
})
