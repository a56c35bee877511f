import { expect, test } from 'vitest'
import { misnamedPipeline } from './file-name.ts'

test.each([
  '.taxiway.yml',
  'taxiway.yaml',
  'taxiway.yml',
  '.Taxiway.yaml',
  '.TAXIWAY.YML',
  '.taxiway.yaml.txt',
  '.taxiway.yaml~',
  '.taxiway.yaml ',
  '.taxiway.yalm',
  '.taxyway.yaml',
  '_taxiway.yaml',
  '.taxiway.json',
  '.taxiway-ci.yml',
  '.taxiway',
  '.taxiway/pipeline.yml',
  '.github/.taxiway.yaml',
  'ci/taxiway.yml',
])('%s is told as what was meant', (path) => {
  expect(misnamedPipeline(['Dockerfile', 'k8s/web.yaml', path])).toBe(path)
})

test.each([
  'Dockerfile',
  '.travis.yml',
  'docs/taxiway.md',
  'taxiway',
  'a/b/.taxiway.yaml',
  'taxi.yaml',
  'k8s/taxi.yaml',
])('%s is something else', (path) => {
  expect(misnamedPipeline([path])).toBeUndefined()
})

test('beside the right one, only what could be mistaken for it counts', () => {
  expect(misnamedPipeline(['.taxiway.yaml'])).toBeUndefined()
  expect(misnamedPipeline(['.taxiway.yaml', '.taxiway.yaml.bak', 'shop/.taxiway.yaml'])).toBeUndefined()
  expect(misnamedPipeline(['.taxiway.yml', '.taxiway.yaml'])).toBe('.taxiway.yml')
  expect(misnamedPipeline(['.taxiway.yaml', 'taxiway.yaml'])).toBe('taxiway.yaml')
})
