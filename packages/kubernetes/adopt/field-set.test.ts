import { expect, test } from 'vitest'
import { extract, isAuthor, union } from './field-set.ts'

test('of a value the fields of a set are taken, items of lists by their keys, values and places, in their order', () => {
  const live = {
    replicas: 3,
    selector: { app: 'web' },
    containers: [
      { name: 'added', image: 'x' },
      { name: 'web', image: 'y', ports: [{ containerPort: 80, protocol: 'TCP', name: 'http' }], env: [] },
    ],
    finalizers: ['a', 'b'],
    args: ['1', '2'],
    empty: {},
  }
  const fields = {
    'f:selector': {},
    'f:gone': {},
    'f:empty': { '.': {} },
    'f:containers': {
      'k:{"name":"web"}': {
        '.': {},
        'f:image': {},
        'f:ports': { '.': {}, 'k:{"containerPort":80,"protocol":"TCP"}': { 'f:name': {} } },
      },
    },
    'f:finalizers': { 'v:"b"': {} },
    'f:args': { 'i:1': {} },
  }
  expect(extract(live, fields)).toEqual({
    selector: { app: 'web' },
    empty: {},
    containers: [{ name: 'web', image: 'y', ports: [{ containerPort: 80, protocol: 'TCP', name: 'http' }] }],
    finalizers: ['b'],
    args: ['2'],
  })
})

test('sets are joined field by field', () => {
  const one = { 'f:data': { '.': {}, 'f:a': {} } }
  const other = { 'f:data': { 'f:b': {} }, 'f:metadata': { 'f:labels': {} } }
  expect(union([one, other])).toEqual({
    'f:data': { '.': {}, 'f:a': {}, 'f:b': {} },
    'f:metadata': { 'f:labels': {} },
  })
})

test.each([
  ['kubectl-client-side-apply', true],
  ['kubectl-edit', true],
  ['helm', true],
  ['argocd-controller', true],
  ['kustomize-controller', true],
  ['before-first-apply', true],
  ['kube-controller-manager', false],
  ['kubectl-rollout', false],
  ['cert-manager-ingress-shim', false],
  ['some-operator', false],
  ['manager', false],
])('%s is an author: %s', (manager, expected) => {
  expect(isAuthor({ manager })).toBe(expected)
  expect(isAuthor({ manager, subresource: 'status' })).toBe(false)
})
