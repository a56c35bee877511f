import { expect, test } from 'vitest'
import type { KubeObject } from '../object.ts'
import { changesAim, conflicts, held, isHeld, podsBehind } from './retarget-plan.ts'

const service = (selector: object, targetPort: number | string = 8080, more: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector, ports: [{ port: 80, protocol: 'TCP', targetPort }], ...more },
})
const workload = (kind: string, labels: object, spec: object = {}): KubeObject => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name: 'web' },
  spec: { template: { metadata: { labels } }, ...spec },
})
const app = { app: 'web' }
const second = { app: 'web', version: '2' }

test('a Service waits when it is to send elsewhere, not for a further port or another name of the same', () => {
  expect(changesAim(service(app), service(app), [])).toBe(false)
  expect(changesAim(service(app, 9090), service(app), [])).toBe(true)
  expect(changesAim(service(second), service(app), [])).toBe(true)
  const more = [{ port: 80, targetPort: 8080 }, { port: 81 }]
  expect(changesAim({ ...service(app), spec: { selector: app, ports: more } }, service(app), [])).toBe(false)
  expect(changesAim(service(app), { ...service(app), spec: { selector: app, ports: more } }, [])).toBe(true)
  expect(changesAim(service({}), service(app), [])).toBe(false)
})

test('one that was held to pods of a template by a release that did not end waits too', () => {
  expect(changesAim(service(app), service({ ...app, 'pod-template-hash': 'x' }), [])).toBe(true)
})

test('one by which peers find each other before they are ready does not wait, and without an address ports do not count', () => {
  const headless = { clusterIP: 'None' }
  expect(changesAim(service(second, 8080, { publishNotReadyAddresses: true }), service(app), [])).toBe(false)
  expect(changesAim(service(second), service(app), [workload('StatefulSet', app, { serviceName: 'web' })])).toBe(false)
  expect(changesAim(service(app, 9090, headless), service(app, 8080, headless), [])).toBe(false)
  expect(changesAim(service(second, 8080, headless), service(app, 8080, headless), [])).toBe(true)
})

test('a Deployment keeps its old pods when new ones could not do behind the Service as it is', () => {
  const next = workload('Deployment', second)
  expect(podsBehind(service(second), [next, workload('Job', second), workload('Deployment', app)])).toEqual([next])
  expect(conflicts(service(app, 9090), service(app), next)).toBe(true)
  expect(conflicts(service(second), service({ app: 'web', version: '1' }), next)).toBe(true)
  // The new pods serve as the old ones do, whichever the Service finds.
  expect(conflicts(service(second), service(app), next)).toBe(false)
  const renumbered = { ...service(app), spec: { selector: app, ports: [{ port: 81, targetPort: 8080 }] } }
  expect(changesAim(renumbered, service(app), [])).toBe(true)
  expect(conflicts(renumbered, service(app), workload('Deployment', app))).toBe(false)
  expect(conflicts(service(app, 9090), service(app), workload('StatefulSet', app))).toBe(false)
  const keeping = held(next)
  expect(keeping).toMatchObject({ spec: { strategy: { rollingUpdate: { maxSurge: '100%', maxUnavailable: 0 } } } })
  expect(keeping && isHeld(keeping)).toBe(true)
  expect(held(workload('Deployment', second, { strategy: { type: 'Recreate' } }))).toBeUndefined()
})
