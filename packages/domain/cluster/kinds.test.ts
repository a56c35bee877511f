import { expect, test } from 'vitest'
import { guessedPlural, kindName, kindNamed, neverAllowed, turnOf } from './kinds.ts'

test.each([
  [{ apiVersion: 'apps/v1', kind: 'Deployment' }, 'Deployment'],
  [{ apiVersion: 'batch/v1beta1', kind: 'CronJob' }, 'CronJob'],
  [{ apiVersion: 'v1', kind: 'Secret' }, 'Secret'],
  [{ apiVersion: 'cert-manager.io/v1', kind: 'Certificate' }, 'Certificate.cert-manager.io'],
  // Another group's kind of the same name is another kind.
  [{ apiVersion: 'serving.knative.dev/v1', kind: 'Service' }, 'Service.serving.knative.dev'],
  [{ apiVersion: 'extensions/v1beta1', kind: 'Deployment' }, 'Deployment.extensions'],
])('%j is called %s', (object, name) => {
  expect(kindName(object)).toBe(name)
  expect(kindNamed(name).kind).toBe(object.kind)
})

test.each([
  'Namespace',
  'Pod',
  'ReplicaSet.apps',
  'Role.rbac.authorization.k8s.io',
  'ClusterRole.rbac.authorization.k8s.io',
  'CustomResourceDefinition.apiextensions.k8s.io',
  'ValidatingWebhookConfiguration.admissionregistration.k8s.io',
  'PersistentVolume',
])('no rule opens %s', (name) => {
  expect(neverAllowed(name)).toBeDefined()
})

test.each(['Certificate.cert-manager.io', 'Secret', 'Endpoints', 'constructor', 'Pod.example.com'])(
  'a rule may open %s',
  (name) => {
    expect(neverAllowed(name)).toBeUndefined()
  },
)

test('what only a rule opens comes after what it may need and before what may need it', () => {
  const turns = [
    { apiVersion: 'v1', kind: 'ServiceAccount' },
    { apiVersion: 'v1', kind: 'Service' },
    { apiVersion: 'external-secrets.io/v1', kind: 'ExternalSecret' },
    { apiVersion: 'apps/v1', kind: 'Deployment' },
  ].map(turnOf)
  expect(turns).toEqual(turns.toSorted((a, b) => a - b))
})

test.each([
  ['Certificate', 'certificates'],
  ['NetworkPolicy', 'networkpolicies'],
  ['Ingress', 'ingresses'],
  ['Endpoints', 'endpoints'],
])('the plural of %s is %s', (kind, plural) => {
  expect(guessedPlural(kind)).toBe(plural)
})
