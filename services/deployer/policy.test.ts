import { expect, test } from 'vitest'
import { checkPolicy } from './policy.ts'

const workload = (pod: object, template: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web' },
  spec: { template: { ...template, spec: { containers: [{ name: 'web', image: 'web' }], ...pod } } },
})
const container = (more: object) => workload({ containers: [{ name: 'web', image: 'web', ...more }] })
const simple = (kind: string, apiVersion: string, more: object = {}, metadata: object = {}) => ({
  apiVersion,
  kind,
  metadata: { name: 'x', ...metadata },
  ...more,
})
const message = (document: unknown) => {
  const outcome = checkPolicy([document], 'shop')
  return outcome.ok ? 'allowed' : `${outcome.reason.code}: ${outcome.reason.message}`
}

test('ordinary objects are allowed', () => {
  const deployment = workload(
    { volumes: [{ name: 'c', configMap: { name: 'c' } }], securityContext: { runAsUser: 1000 } },
    { metadata: { labels: { app: 'web' } } },
  )
  expect(message(deployment)).toBe('allowed')
  expect(message(container({ securityContext: { capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } } }))).toBe(
    'allowed',
  )
  expect(message(simple('Service', 'v1', { spec: { ports: [{ port: 80 }] } }, { namespace: 'shop' }))).toBe('allowed')
})

test('kinds off the list are refused by name', () => {
  expect(message(simple('ClusterRoleBinding', 'rbac.authorization.k8s.io/v1'))).toMatch(
    /^manifest_forbidden: ClusterRoleBinding\/x is not allowed: kind not allowed/,
  )
  for (const kind of ['Role', 'Namespace', 'Secret', 'ServiceAccount', 'Pod', 'CronJob', 'constructor'])
    expect(message(simple(kind, 'v1'))).toContain('kind not allowed')
  expect(message(simple('Deployment', 'extensions/v1beta1'))).toContain('apiVersion extensions/v1beta1 not allowed')
})

test('a list hides nothing', () => {
  const inner = { apiVersion: 'v1', kind: 'List', items: [simple('ClusterRole', 'rbac.authorization.k8s.io/v1')] }
  expect(message({ apiVersion: 'v1', kind: 'List', items: [inner] })).toContain('ClusterRole/x is not allowed')
})

test.each([
  ['generateName', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'x-' } }],
  ['namespace other is not', simple('ConfigMap', 'v1', {}, { namespace: 'other' })],
  ['finalizers', simple('ConfigMap', 'v1', {}, { finalizers: ['a/b'] })],
  ['ownerReferences', simple('ConfigMap', 'v1', {}, { ownerReferences: [{}] })],
  ['not a DNS label', simple('Service', 'v1', {}, { name: '../x' })],
  ['kept for releases', simple('ConfigMap', 'v1', {}, { name: 'taxiway-release-x' })],
  ['spec.type LoadBalancer', simple('Service', 'v1', { spec: { type: 'LoadBalancer' } })],
  ['spec.type NodePort', simple('Service', 'v1', { spec: { type: 'NodePort' } })],
  ['externalIPs', simple('Service', 'v1', { spec: { externalIPs: ['1.2.3.4'] } })],
  ['nodePort', simple('Service', 'v1', { spec: { ports: [{ port: 80, nodePort: 30000 }] } })],
  ['volume type hostPath', workload({ volumes: [{ name: 'h', hostPath: { path: '/' } }] })],
  ['volume type csi', workload({ volumes: [{ name: 'h', csi: { driver: 'x' } }] })],
  [
    'serviceAccountToken',
    workload({ volumes: [{ name: 't', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] }),
  ],
  ['hostNetwork', workload({ hostNetwork: true })],
  ['hostPID', workload({ hostPID: true })],
  ['hostIPC', workload({ hostIPC: true })],
  ['nodeName', workload({ nodeName: 'node' })],
  ['ephemeralContainers', workload({ ephemeralContainers: [{ name: 'x' }] })],
  ['serviceAccountName', workload({ serviceAccountName: 'admin' })],
  ['serviceAccount other', workload({ serviceAccount: 'admin' })],
  ['priorityClassName', workload({ priorityClassName: 'system-node-critical' })],
  ['sysctls', workload({ securityContext: { sysctls: [{ name: 'a', value: 'b' }] } })],
  ['privileged', container({ securityContext: { privileged: true } })],
  ['allowPrivilegeEscalation', container({ securityContext: { allowPrivilegeEscalation: true } })],
  ['capability SYS_ADMIN', container({ securityContext: { capabilities: { add: ['SYS_ADMIN'] } } })],
  ['procMount', container({ securityContext: { procMount: 'Unmasked' } })],
  ['seccompProfile Unconfined', container({ securityContext: { seccompProfile: { type: 'Unconfined' } } })],
  ['hostPort', container({ ports: [{ containerPort: 80, hostPort: 80 }] })],
  ['probe of another host', container({ readinessProbe: { httpGet: { host: '10.0.0.1', port: 80 } } })],
  ['privileged', workload({ initContainers: [{ name: 'i', image: 'web', securityContext: { privileged: true } }] })],
  [
    'unconfined',
    workload({}, { metadata: { annotations: { 'container.apparmor.security.beta.kubernetes.io/web': 'unconfined' } } }),
  ],
])('refuses %s', (part, document) => {
  expect(message(document)).toMatch(/^manifest_forbidden/)
  expect(message(document)).toContain(part)
})

test.each([
  ['a text', 'kubectl'],
  ['no kind', { apiVersion: 'v1', metadata: { name: 'x' } }],
  ['no name', { apiVersion: 'v1', kind: 'ConfigMap', metadata: {} }],
  ['nothing', null],
  ['a deep list', [...'1234'].reduce((items: object, _) => ({ apiVersion: 'v1', kind: 'List', items: [items] }), {})],
])('%s is no manifest', (_, document) => {
  expect(message(document)).toMatch(/^manifest_invalid/)
})

test('the same object twice, and more than 200 objects, are refused', () => {
  const map = (name: string) => simple('ConfigMap', 'v1', {}, { name })
  const twice = checkPolicy([map('a'), map('a')], 'shop')
  expect(!twice.ok && twice.reason.message).toContain('twice')
  const many = checkPolicy(
    Array.from({ length: 201 }, (_, index) => map(`a${index}`)),
    'shop',
  )
  expect(!many.ok && many.reason.message).toContain('more than 200')
})
