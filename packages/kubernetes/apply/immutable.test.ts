import { expect, test } from 'vitest'
import { wayOut } from './immutable.ts'

const object = (kind: string) => ({ apiVersion: 'v1', kind, metadata: { name: 'web' } })

test.each([
  [
    'Deployment',
    'Deployment.apps "web" is invalid: spec.selector: Invalid value: v1.LabelSelector{}: field is immutable',
    /^spec\.selector can't be changed on a Deployment that exists\. Give it another name .*its pods are away until then$/,
  ],
  [
    'Service',
    'Service "web" is invalid: [spec.clusterIPs[0]: Invalid value: []string{"None"}: may not change once set, spec.clusterIP]',
    /^spec\.clusterIPs can't be changed on a Service that exists\. .*requests to it fail until then$/,
  ],
  [
    'StatefulSet',
    `StatefulSet.apps "web" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden`,
    /kubectl delete statefulset web --cascade=orphan\) and push again: the new one takes over its pods and volumes$/,
  ],
  [
    'PersistentVolumeClaim',
    'PersistentVolumeClaim "web" is invalid: spec: Forbidden: spec is immutable after creation except resources.requests',
    /only to a larger one/,
  ],
  [
    'ConfigMap',
    'ConfigMap "web" is invalid: data: Forbidden: field is immutable when `immutable` is set',
    /^data can't be changed on what exists\. Give it another name/,
  ],
])('%s: what cannot be changed is told with the way out', (kind, message, expected) => {
  expect(wayOut(object(kind), message)).toMatch(expected)
})

test('another refusal is none of them', () => {
  expect(
    wayOut(object('Service'), 'Service "web" is invalid: spec.ports[0].port: Invalid value: 99999'),
  ).toBeUndefined()
})
