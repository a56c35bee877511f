import { expect, test } from 'vitest'
import { flatten } from './flatten.ts'

const web = () => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } })
const told = (documents: unknown[], ...files: string[]) => {
  const found = flatten(documents, (document) => files[documents.indexOf(document)])
  return found.ok ? found.value.objects.map(found.value.titleOf) : found.reason.message
}

test('lists are opened, empty documents are left out, and each object knows its file', () => {
  const list = { apiVersion: 'v1', kind: 'List', items: [web(), { ...web(), metadata: { name: 'b' } }] }
  expect(told([null, list], 'a.yaml', 'b.json')).toEqual(['Deployment/web in b.json', 'Deployment/b in b.json'])
})

test.each<[string, string[], string]>([
  [
    'in two folders',
    ['k8s/dev/web.yaml', 'k8s/prod/web.yaml'],
    ', in k8s/dev/web.yaml and in k8s/prod/web.yaml; folders below that of manifests are read too, so name one of them.',
  ],
  ['in one folder', ['k8s/a.yaml', 'k8s/b.yaml'], ', in k8s/a.yaml and in k8s/b.yaml.'],
  ['in one file', ['k8s/a.yaml', 'k8s/a.yaml'], ' in k8s/a.yaml.'],
  ['nobody knows where', [], '.'],
])('the same object twice %s is told with its files', (_where, files, words) => {
  expect(told([web(), web()], ...files)).toBe(`Deployment/web: it is there twice${words}`)
})
