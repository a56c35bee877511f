import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { expect, test } from 'vitest'
import { nameByContent } from './config-hash.ts'

const config = (name: string, data: object, kind = 'ConfigMap'): RenderedObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name },
  data,
})
const workload = (kind: string, spec: object): RenderedObject => ({
  apiVersion: kind === 'CronJob' ? 'batch/v1' : 'apps/v1',
  kind,
  metadata: { name: kind.toLowerCase() },
  spec: kind === 'CronJob' ? { jobTemplate: { spec: { template: { spec } } } } : { template: { spec } },
})
const users = [
  workload('Deployment', { containers: [{ name: 'web', envFrom: [{ configMapRef: { name: 'settings' } }] }] }),
  workload('StatefulSet', {
    containers: [
      { name: 'db', env: [{ name: 'LEVEL', valueFrom: { configMapKeyRef: { name: 'settings', key: 'LEVEL' } } }] },
    ],
  }),
  workload('DaemonSet', {
    volumes: [
      { name: 'one', configMap: { name: 'settings' } },
      { name: 'two', projected: { sources: [{ configMap: { name: 'settings' } }, { secret: { name: 'key' } }] } },
    ],
    containers: [{ name: 'agent' }],
  }),
  workload('CronJob', { volumes: [{ name: 'key', secret: { secretName: 'key' } }], containers: [{ name: 'job' }] }),
  workload('Job', { containers: [{ name: 'other', envFrom: [{ secretRef: { name: 'of-others' } }] }] }),
]
const textOf = (objects: RenderedObject[], kind: string) =>
  JSON.stringify(objects.find((object) => object.kind === kind)?.spec)

test('what pods use is named by its content, and so is it wherever they name it', () => {
  const objects = [config('settings', { LEVEL: '1', B: '2' }), config('key', { k: 'eA==' }, 'Secret'), ...users]
  const before = structuredClone(objects)
  const made = nameByContent(objects)
  expect(objects).toEqual(before)
  const [settings, key] = made.map(({ metadata }) => metadata.name)
  expect(settings).toMatch(/^settings-[0-9a-f]{10}$/)
  expect(key).toMatch(/^key-[0-9a-f]{10}$/)
  expect(made[0]?.metadata.annotations).toEqual({ 'taxiway.dev/config-of': 'settings' })
  for (const kind of ['Deployment', 'StatefulSet', 'DaemonSet']) {
    expect(textOf(made, kind)).toContain(`"${settings}"`)
    expect(textOf(made, kind)).not.toContain('"settings"')
  }
  for (const kind of ['DaemonSet', 'CronJob']) expect(textOf(made, kind)).toContain(`"${key}"`)
  expect(textOf(made, 'Job')).toBe(textOf(objects, 'Job'))
})

test('a change makes those templates other ones that use it, and no others; the order of keys is no change', () => {
  const all = (settings: object) =>
    nameByContent([config('settings', settings), config('key', { k: 'x' }, 'Secret'), ...users])
  const first = all({ LEVEL: '1', B: '2' })
  expect(all({ B: '2', LEVEL: '1' }).map(({ spec }) => spec)).toEqual(first.map(({ spec }) => spec))
  const next = all({ LEVEL: '2', B: '2' })
  const changed = next.filter(({ kind, spec }) => spec && JSON.stringify(spec) !== textOf(first, kind))
  expect(changed.map(({ kind }) => kind)).toEqual(['Deployment', 'StatefulSet', 'DaemonSet'])
})

test('what no pod of the release uses keeps its name, and an Ingress follows its Secret', () => {
  const ingress: RenderedObject = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'web' },
    spec: { tls: [{ secretName: 'key' }, { secretName: 'by-cert-manager' }] },
  }
  const made = nameByContent([config('dashboard', {}), config('key', {}, 'Secret'), ingress, ...users])
  expect(made[0]?.metadata.name).toBe('dashboard')
  expect(textOf(made, 'Ingress')).toContain(`"${made[1]?.metadata.name}"`)
  expect(textOf(made, 'Ingress')).toContain('"by-cert-manager"')
})
