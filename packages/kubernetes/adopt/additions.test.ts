import { expect, test } from 'vitest'
import type { KubeObject } from '../object.ts'
import { additionsTo } from './additions.ts'

const container = 'k:{"name":"web"}'
const inPod = (fields: object) => ({ 'f:spec': { 'f:template': { 'f:spec': { 'f:containers': fields } } } })
const wanted = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    template: { spec: { containers: [{ name: 'web', image: 'web@sha256:1', ports: [{ containerPort: 8080 }] }] } },
  },
} as unknown as KubeObject
/** The object with more of it, and who manages which fields. */
function live(
  entries: [string, object, object?][],
  more: { containers?: object[]; web?: object; spec?: object; annotations?: object } = {},
): KubeObject {
  const web = { name: 'web', image: 'web@sha256:1', ports: [{ containerPort: 8080, protocol: 'TCP' }], ...more.web }
  return {
    ...wanted,
    metadata: {
      ...wanted.metadata,
      annotations: more.annotations,
      managedFields: entries.map(([manager, fieldsV1, rest]) => ({ manager, operation: 'Update', fieldsV1, ...rest })),
    },
    spec: { ...more.spec, template: { spec: { containers: [web, ...(more.containers ?? [])] } } },
  } as unknown as KubeObject
}
const ours: [string, object, object] = [
  'taxiway',
  inPod({ [container]: { '.': {}, 'f:image': {}, 'f:name': {} } }),
  { operation: 'Apply' },
]
const pointers = (object: KubeObject, controllers: string[] = []) =>
  additionsTo(object, wanted, controllers).map(({ pointer }) => pointer)
const containers = '/spec/template/spec/containers'

test('a container and variables that a person added are found, the last first, so that each can be removed', () => {
  const sidecar = { '.': {}, 'f:image': {}, 'f:name': {} }
  const env = { '.': {}, 'k:{"name":"DEBUG"}': { '.': {}, 'f:name': {}, 'f:value': {} } }
  const object = live(
    [
      ours,
      ['kubectl-set', inPod({ [container]: { 'f:env': env } })],
      ['kubectl-patch', inPod({ 'k:{"name":"sidecar"}': sidecar, 'k:{"name":"other"}': sidecar })],
    ],
    { web: { env: [{ name: 'DEBUG', value: '1' }] }, containers: [{ name: 'other' }, { name: 'sidecar' }] },
  )
  expect(additionsTo(object, wanted).map(({ pointer, by }) => ({ pointer, by }))).toEqual([
    { pointer: `${containers}/2`, by: 'kubectl-patch' },
    { pointer: `${containers}/1`, by: 'kubectl-patch' },
    { pointer: `${containers}/0/env`, by: 'kubectl-set' },
  ])
})

test('what the manifest says, and what a person only said as well, is no addition', () => {
  const shared = {
    'f:image': {},
    'f:ports': { 'k:{"containerPort":8080,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
  }
  expect(pointers(live([ours, ['kubectl-edit', inPod({ [container]: shared })]]))).toEqual([])
})

test('controllers, those that an admin lists, and what stands in the status add what they will', () => {
  const sidecar = inPod({ 'k:{"name":"sidecar"}': { '.': {}, 'f:name': {} } })
  const by = (manager: string, rest = {}) =>
    live([ours, [manager, sidecar, rest]], { containers: [{ name: 'sidecar' }] })
  expect(pointers(by('kube-controller-manager'))).toEqual([])
  expect(pointers(by('acme-mesh'))).toEqual([`${containers}/1`])
  expect(pointers(by('acme-mesh'), ['acme-*'])).toEqual([])
  expect(pointers(by('kubectl', { subresource: 'scale' }))).toEqual([])
  const status = live([['kubectl-edit', { 'f:status': { 'f:phase': {} } }]])
  expect(pointers({ ...status, status: { phase: 'x' } })).toEqual([])
})

test("replicas that the manifest leaves open, marks of restarts and notes are nobody else's business", () => {
  const annotations = {
    'kubectl.kubernetes.io/restartedAt': 'now',
    'kubernetes.io/change-cause': 'me',
    'example.com/route': 'b',
  }
  const set = Object.fromEntries(Object.keys(annotations).map((key) => [`f:${key}`, {}]))
  const fields = {
    'f:metadata': { 'f:annotations': { '.': {}, ...set } },
    'f:spec': { 'f:replicas': {}, 'f:paused': {} },
  }
  const object = live([['kubectl-edit', fields]], { annotations, spec: { replicas: 4, paused: true } })
  expect(pointers(object)).toEqual(['/spec/paused', '/metadata/annotations/example.com~1route'])
})
