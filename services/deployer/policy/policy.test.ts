import { expect, test } from 'vitest'
import { checkPolicy } from './policy.ts'
import type { PolicyRules } from './rules.ts'

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
const message = (document: unknown, rules: PolicyRules = {}) => {
  const outcome = checkPolicy([document], 'shop', rules)
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

test('a list hides nothing', () => {
  const inner = { apiVersion: 'v1', kind: 'List', items: [simple('ClusterRole', 'rbac.authorization.k8s.io/v1')] }
  expect(message({ apiVersion: 'v1', kind: 'List', items: [inner] })).toContain('ClusterRole/x (kind not allowed: ')
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
  ['serviceAccountName admin', workload({ serviceAccount: 'admin' })],
  ['automountServiceAccountToken', workload({ automountServiceAccountToken: true })],
  ['runtimeClassName', workload({ runtimeClassName: 'x' })],
  ['resourceClaims', workload({ resourceClaims: [{ name: 'gpu' }] })],
  [
    'mountPropagation',
    container({ volumeMounts: [{ name: 'v', mountPath: '/v', mountPropagation: 'Bidirectional' }] }),
  ],
  ['volumeDevices', container({ volumeDevices: [{ name: 'v', devicePath: '/dev/x' }] })],
  ['asks for root', container({ securityContext: { runAsUser: 0 } })],
  ['asks for root', workload({ securityContext: { runAsNonRoot: false } })],
  ['windowsOptions.hostProcess', container({ securityContext: { windowsOptions: { hostProcess: true } } })],
  ['seLinuxOptions', container({ securityContext: { seLinuxOptions: { type: 'spc_t' } } })],
  ['pinned', { ...container({ image: `pinned@sha256:${'a'.repeat(64)}` }) }],
  ['Secret default-token-x4k2b', workload({ volumes: [{ name: 't', secret: { secretName: 'default-token-x4k2b' } }] })],
  ['Secret default-token-x4k2b', workload({ imagePullSecrets: [{ name: 'default-token-x4k2b' }] })],
  [
    'Secret default-token-x4k2b',
    container({ env: [{ name: 'T', valueFrom: { secretKeyRef: { name: 'default-token-x4k2b', key: 'token' } } }] }),
  ],
  [
    'Secret sh.helm.release.v1.shop.v1',
    container({ envFrom: [{ secretRef: { name: 'sh.helm.release.v1.shop.v1' } }] }),
  ],
  [
    'Secret default-token-x4k2b',
    workload({ volumes: [{ name: 't', projected: { sources: [{ secret: { name: 'default-token-x4k2b' } }] } }] }),
  ],
  ['finalizers', workload({}, { metadata: { finalizers: ['a/b'] } })],
  ['ownerReferences', workload({}, { metadata: { ownerReferences: [{}] } })],
  [
    'volumeName',
    simple('StatefulSet', 'apps/v1', { spec: { volumeClaimTemplates: [{ spec: { volumeName: 'anothers' } }] } }),
  ],
  [
    'configuration-snippet',
    simple(
      'Ingress',
      'networking.k8s.io/v1',
      {},
      { annotations: { 'nginx.ingress.kubernetes.io/configuration-snippet': 'x' } },
    ),
  ],
  [
    'of another namespace',
    simple(
      'Ingress',
      'networking.k8s.io/v1',
      {},
      { annotations: { 'nginx.ingress.kubernetes.io/auth-secret': 'kube-system/x' } },
    ),
  ],
  ['externalName', simple('Service', 'v1', { spec: { externalName: 'metadata.internal' } })],
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

const pinned = `registry.example.com/base/redis@sha256:${'b'.repeat(64)}`
const drop = { securityContext: { capabilities: { drop: ['ALL'] } } }
test.each<[string, PolicyRules, object, object?]>([
  ['kinds', { kinds: ['Deployment'] }, container({}), simple('ConfigMap', 'v1')],
  ['images', { images: ['registry.example.com/base/'] }, container({ image: pinned })],
  ['images', { images: ['registry.example.com/base/redis'] }, container({ image: pinned })],
  ['serviceAccounts', { serviceAccounts: ['reader'] }, workload({ serviceAccountName: 'reader' })],
  [
    'serviceAccounts',
    { serviceAccounts: ['reader'] },
    workload({ serviceAccountName: 'reader', automountServiceAccountToken: true }),
  ],
  ['nodePorts', { nodePorts: true }, simple('Service', 'v1', { spec: { type: 'NodePort' } })],
  ['loadBalancers', { loadBalancers: true }, simple('Service', 'v1', { spec: { type: 'LoadBalancer' } })],
  [
    'secrets',
    { secrets: ['db', 'default-token-x4k2b'] },
    workload({ volumes: [{ name: 't', secret: { secretName: 'default-token-x4k2b' } }] }),
    container({ envFrom: [{ secretRef: { name: 'other' } }] }),
  ],
  [
    'secrets',
    { secrets: ['db'], isShared: true },
    container({ envFrom: [{ secretRef: { name: 'db' } }] }),
    container({ envFrom: [{ secretRef: { name: 'other' } }] }),
  ],
  [
    'pods',
    { pods: 'restricted' },
    workload({ securityContext: { runAsNonRoot: true }, containers: [{ name: 'web', image: 'web', ...drop }] }),
    workload({ containers: [{ name: 'web', image: 'web', ...drop }] }),
  ],
])('the rule %s lets through what it says, and nothing else', (_rule, rules, allowed, refused) => {
  expect(message(allowed, rules)).toBe('allowed')
  if (refused) expect(message(refused, rules)).toMatch(/^manifest_forbidden/)
  else expect(message(allowed)).toMatch(/^manifest_forbidden/)
})

test('a rule for images ends at the parts of a name', () => {
  const rules = { images: ['registry.example.com/base'] }
  expect(message(container({ image: pinned }), rules)).toBe('allowed')
  const evil = `registry.example.com/base-evil/redis@sha256:${'b'.repeat(64)}`
  expect(message(container({ image: evil }), rules)).toMatch(/^manifest_forbidden/)
  const outside = `registry.example.com/base/../evil@sha256:${'b'.repeat(64)}`
  expect(message(container({ image: outside }), rules)).toMatch(/^manifest_forbidden/)
})

test('an image that is listed with its digest is allowed, and no other digest of it', () => {
  const rules = { images: [pinned] }
  expect(message(container({ image: pinned }), rules)).toBe('allowed')
  const other = `${pinned.slice(0, pinned.indexOf('@'))}@sha256:${'c'.repeat(64)}`
  expect(message(container({ image: other }), rules)).toMatch(/^manifest_forbidden/)
})

test('the Secret with the credentials of registries is pulled by, and read by no pod', () => {
  expect(message(workload({ imagePullSecrets: [{ name: 'taxiway-pull' }] }))).toBe('allowed')
  for (const reading of [
    workload({ volumes: [{ name: 'p', secret: { secretName: 'taxiway-pull' } }] }),
    workload({ volumes: [{ name: 'p', projected: { sources: [{ secret: { name: 'taxiway-pull' } }] } }] }),
    container({ envFrom: [{ secretRef: { name: 'taxiway-pull' } }] }),
    container({
      env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'taxiway-pull', key: '.dockerconfigjson' } } }],
    }),
  ])
    expect(message(reading, { secrets: ['taxiway-pull'] })).toContain('it holds the credentials of registries')
})

test("another repository's namespace shows none of its Secrets", () => {
  const naming = container({ envFrom: [{ secretRef: { name: 'db' } }] })
  expect(message(naming)).toBe('allowed')
  expect(message(naming, { isShared: true })).toContain('another repository owns the namespace')
})
