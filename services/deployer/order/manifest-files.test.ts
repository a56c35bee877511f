import { expect, test } from 'vitest'
import { chooseFiles } from './manifest-files.ts'

const chosen = (all: string[], path = 'k8s') => {
  const found = chooseFiles(all, path)
  return found.ok ? found.value : `${found.reason.code}: ${found.reason.message}`
}

test('what kubectl reads is taken, in folders below too; what only resembles it is named', () => {
  const all = [
    'k8s/b.yml',
    'k8s/a/c.json',
    'k8s/web.yaml',
    'k8s/web.yaml.tpl',
    'k8s/NOTES.md',
    'k8s/X.YAML',
    'other.yaml',
  ]
  expect(chosen(all)).toEqual({
    files: ['k8s/a/c.json', 'k8s/b.yml', 'k8s/web.yaml'],
    left: ['k8s/X.YAML', 'k8s/web.yaml.tpl'],
  })
  expect(chosen(all, 'k8s/web.yaml')).toEqual({ files: ['k8s/web.yaml'], left: [] })
})

test('the whole repository may be the folder: what is hidden is no manifest', () => {
  expect(chosen(['.taxiway.yaml', '.github/workflows/ci.yml', 'web.yaml'], '.')).toEqual({
    files: ['web.yaml'],
    left: ['.github/workflows/ci.yml', '.taxiway.yaml'],
  })
  expect(chosen(['.k8s/web.yaml'], '.k8s')).toEqual({ files: ['.k8s/web.yaml'], left: [] })
})

test.each<[string, string[], string]>([
  [
    'a kustomization',
    ['k8s/base/kustomization.yaml', 'k8s/base/web.yaml', 'k8s/overlays/prod/kustomization.yaml'],
    'manifest_invalid: k8s/base/kustomization.yaml: it is a kustomization; folders below are read too, so name the one to be built as manifests: k8s/base, k8s/overlays/prod.',
  ],
  [
    'a chart',
    ['k8s/chart/Chart.yaml', 'k8s/chart/templates/web.yaml'],
    'manifest_invalid: k8s/chart: it is a Helm chart; folders below are read too, so name the chart as manifests: k8s/chart.',
  ],
  [
    'a folder with too many files',
    Array.from({ length: 1001 }, (_, i) => `k8s/c${i}.yaml`),
    'manifest_invalid: k8s: it has 1001 manifests, and at most 1000 are read.',
  ],
  ['a folder that is not there', ['other/a.yaml'], 'file_not_found: k8s is not in the commit.'],
  [
    'a folder without manifests',
    ['k8s/a.txt', 'k8s/web.yaml.j2'],
    'manifest_invalid: k8s: it has no manifest (a file that ends in .yaml, .yml or .json), only k8s/web.yaml.j2.',
  ],
])('%s is told as what it is', (_what, all, message) => {
  expect(chosen(all)).toBe(message)
})

test('100 files are not too many', () => {
  expect(chosen(Array.from({ length: 200 }, (_, i) => `k8s/c${i}.yaml`))).toMatchObject({ left: [] })
})
