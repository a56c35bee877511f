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

test('kinds that give rights, are of the whole cluster or run bare pods are refused by name, and no rule opens them', () => {
  for (const [kind, apiVersion] of [
    ['ClusterRoleBinding', 'rbac.authorization.k8s.io/v1'],
    ['Role', 'rbac.authorization.k8s.io/v1'],
    ['RoleBinding', 'rbac.authorization.k8s.io/v1'],
    ['Namespace', 'v1'],
    ['CustomResourceDefinition', 'apiextensions.k8s.io/v1'],
    ['ValidatingWebhookConfiguration', 'admissionregistration.k8s.io/v1'],
    ['Pod', 'v1'],
    ['ReplicaSet', 'apps/v1'],
  ] as const) {
    const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0]}` : ''
    const said = message(simple(kind, apiVersion), { kinds: [kind, kind + group], moreKinds: [kind, kind + group] })
    expect(said).toMatch(new RegExp(`^manifest_forbidden: ${kind}/x \\(kind not allowed: `))
    expect(said).not.toContain('rule')
  }
  expect(message(simple('constructor', 'v1'))).toContain('kind not allowed')
  expect(message(simple('Deployment', 'extensions/v1beta1'))).toContain('apiVersion extensions/v1beta1 not allowed')
  const pod = { spec: { template: { spec: { containers: [{ name: 'x', image: 'x' }] } } } }
  const namesake = simple('Service', 'serving.knative.dev/v1', pod)
  expect(message(namesake, { moreKinds: ['Service.serving.knative.dev'] })).toContain('only the Service of the core')
})

test('kinds that most applications have need no rule', () => {
  const cron = { spec: { jobTemplate: { spec: { template: workload({}).spec.template } } } }
  for (const document of [
    simple('CronJob', 'batch/v1', cron),
    simple('PersistentVolumeClaim', 'v1', { spec: { accessModes: ['ReadWriteOnce'] } }),
    simple('NetworkPolicy', 'networking.k8s.io/v1', { spec: { podSelector: {} } }),
    simple('ServiceAccount', 'v1', { automountServiceAccountToken: true }),
    simple('HTTPRoute', 'gateway.networking.k8s.io/v1', { spec: { parentRefs: [{ name: 'web' }] } }),
  ])
    expect(message(document)).toBe('allowed')
})

test('any other kind of a namespace is opened by one rule, which the refusal names', () => {
  const certificate = simple('Certificate', 'cert-manager.io/v1', { spec: { secretName: 'tls' } })
  expect(message(certificate)).toContain(
    'Leave it out, or have an admin rule moreKinds: ["Certificate.cert-manager.io"] for the environment.',
  )
  expect(message(certificate, { moreKinds: ['Certificate.cert-manager.io'] })).toBe('allowed')
  expect(message(certificate, { kinds: ['Certificate.cert-manager.io'] })).toBe('allowed')
  expect(message(simple('Secret', 'v1'))).toContain('moreKinds: ["Secret"]')
  expect(message(simple('Secret', 'v1', { stringData: { a: 'b' } }), { moreKinds: ['Secret'] })).toBe('allowed')
})

test('a Secret that asks the cluster for a token is refused whatever the rule', () => {
  const token = simple('Secret', 'v1', { type: 'kubernetes.io/service-account-token' })
  expect(message(token, { moreKinds: ['Secret'] })).toContain('a Secret of type kubernetes.io/service-account-token')
  expect(message(simple('Secret', 'v1', {}, { name: 'taxiway-pull' }), { moreKinds: ['Secret'] })).toContain(
    'is kept for',
  )
})

test('pods in a kind that a rule opens keep the rules of pods, wherever they stand', () => {
  const rules = { moreKinds: ['Rollout.argoproj.io'] }
  const rollout = (spec: object) => simple('Rollout', 'argoproj.io/v1alpha1', { spec })
  const { template } = workload({}).spec
  expect(message(rollout({ template }), rules)).toBe('allowed')
  expect(message(rollout({ template: workload({ hostNetwork: true }).spec.template }), rules)).toContain('hostNetwork')
  expect(message(rollout(workload({ volumes: [{ name: 'h', hostPath: {} }] }).spec.template.spec), rules)).toContain(
    'hostPath',
  )
  expect(message(rollout({ deep: [{ pods: template.spec }], serviceAccountName: 'admin' }), rules)).toContain(
    'serviceAccountName',
  )
})

test('pods name an account that comes with them, and get no token by it', () => {
  const account = (metadata: object) => simple('ServiceAccount', 'v1', {}, { name: 'web', ...metadata })
  const named = (more: object = {}) => workload({ serviceAccountName: 'web', ...more })
  const check = (documents: unknown[], rules: PolicyRules = {}) => {
    const outcome = checkPolicy(documents, 'shop', rules)
    return outcome.ok ? 'allowed' : outcome.reason.message
  }
  expect(check([account({}), named()])).toBe('allowed')
  expect(check([named()])).toContain('Bring that ServiceAccount with the manifests, or have an admin rule')
  expect(check([account({}), named({ automountServiceAccountToken: true })])).toContain('automountServiceAccountToken')
  expect(check([account({}), named()], { isShared: true })).toContain('another repository owns the namespace')
  // By these a cloud gives rights to whoever runs as the account.
  for (const key of [
    'eks.amazonaws.com/role-arn',
    'iam.gke.io/gcp-service-account',
    'azure.workload.identity/client-id',
  ]) {
    expect(check([account({ annotations: { [key]: 'admin' } })])).toContain(`annotation ${key} not allowed`)
    expect(check([account({ annotations: { [key]: 'x' } })], { serviceAccounts: ['web'] })).toBe('allowed')
  }
  expect(check([account({ name: 'default' })])).toContain("the namespace's own")
})

test('names are as Kubernetes allows them', () => {
  const named = (kind: string, apiVersion: string, name: string) => message(simple(kind, apiVersion, {}, { name }))
  for (const [kind, apiVersion] of [
    ['Ingress', 'networking.k8s.io/v1'],
    ['Deployment', 'apps/v1'],
    ['StatefulSet', 'apps/v1'],
    ['DaemonSet', 'apps/v1'],
    ['Job', 'batch/v1'],
    ['HorizontalPodAutoscaler', 'autoscaling/v2'],
    ['PodDisruptionBudget', 'policy/v1'],
    ['ConfigMap', 'v1'],
  ] as const) {
    expect(named(kind, apiVersion, 'www.example.com')).toBe('allowed')
    expect(named(kind, apiVersion, 'www..example.com')).toContain('not a DNS name')
  }
  expect(named('Service', 'v1', 'www.example.com')).toContain('not a DNS label')
})

test('all that stands against a set is told at once, each once, with object, file and way out', () => {
  const service = simple('Service', 'v1', { spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 30000 }] } })
  const deployment = workload({
    serviceAccountName: 'web',
    containers: ['a', 'b'].map((name) => ({ name, image: 'web', securityContext: { privileged: true } })),
  })
  const files = new Map<unknown, string>([[service, 'k8s/service.yaml']])
  const outcome = checkPolicy([service, deployment], 'shop', {}, (document) => files.get(document))
  const { message: firstMessage, more = [] } = outcome.ok ? { message: '' } : outcome.reason
  expect([firstMessage, ...more.map((one) => one.message)]).toEqual([
    'Service/x in k8s/service.yaml (spec.type NodePort not allowed, only ClusterIP) is forbidden here. Make it ClusterIP, or have an admin rule nodePorts: true for the environment.',
    'Service/x in k8s/service.yaml (spec.ports.nodePort not allowed) is forbidden here. Leave it out, or have an admin rule nodePorts: true for the environment.',
    'Deployment/web (serviceAccountName web not allowed, as no rule lists it) is forbidden here. Bring that ServiceAccount with the manifests, or have an admin rule serviceAccounts: ["web"] for the environment.',
    'Deployment/web (securityContext.privileged not allowed) is forbidden here. Leave it out.',
  ])
})

test.each<[string, object, string]>([
  ['readynessProbe', container({ readynessProbe: {} }), 'did you mean readinessProbe?'],
  ['imagePullSecret', workload({ imagePullSecret: [] }), 'did you mean imagePullSecrets?'],
  ['hostnetwork', workload({ hostnetwork: true }), 'there is no field hostnetwork'],
  ['runAsuser', container({ securityContext: { runAsuser: 1 } }), 'did you mean runAsUser?'],
])('the field %s is one that nobody knows, not one that is forbidden', (_, document, words) => {
  expect(message(document)).toMatch(/^manifest_invalid: Deployment\/web: /)
  expect(message(document)).toContain(words)
})

test.each<[string, object]>([
  ['externalName', simple('Service', 'v1', { spec: { externalName: 'x' } })],
  ['capabilities', container({ securityContext: { capabilities: { add: ['SYS_ADMIN'] } } })],
  ['root', container({ securityContext: { runAsUser: 0 } })],
  ['the namespace', simple('ConfigMap', 'v1', {}, { namespace: 'other' })],
])('where no rule opens %s, none is spoken of', (_, document) => {
  expect(message(document)).not.toMatch(/admin|see which rules/)
})
