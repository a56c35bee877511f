import { expect, test } from 'vitest'
import { rbacText } from './rbac.ts'

const account = { name: 'taxiway-deployer', namespace: 'taxiway' }

test('without previews nothing reaches beyond the namespaces that are named', () => {
  const text = rbacText({ namespaces: ['shop'], account })
  expect(text).not.toMatch(/Cluster|namespaces\]/)
  expect(rbacText({ namespaces: ['shop'], previews: false, account })).toBe(text)
})

test('for previews namespaces are made and removed, which is said in words', () => {
  const text = rbacText({ namespaces: [], previews: true, account })
  expect(text).toMatch(/EVERY namespace/)
  expect(text).toContain('resources: [namespaces]\n    verbs: [get, list, create, patch, delete]')
  expect(text).toContain('kind: ClusterRoleBinding\nmetadata: { name: taxiway.taxiway-deployer.previews }')
  expect(text).not.toMatch(/secrets\]|kind: Role\n/)
  expect(rbacText({ namespaces: [], previews: true, secrets: true, account })).toMatch(
    /\[secrets\]\n {4}verbs: \[create, delete\]\n.*\n.*\[secrets\]\n {4}resourceNames: \[taxiway-pull\]\n {4}verbs: \[patch\]/,
  )
})
