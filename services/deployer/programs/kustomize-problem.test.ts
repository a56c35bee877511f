import { expect, test } from 'vitest'
import { kustomizeProblem } from './kustomize-problem.ts'

const newer = (words: string) =>
  `# Warning: 'bases' is deprecated. Please use 'resources' instead. Run 'kustomize edit fix' to update your Kustomization automatically.
E1128 16:10:02.774244   16600 run.go:72] "command failed" err=${JSON.stringify(words)}
`

test.each<[string, string, string]>([
  [
    'what is no YAML',
    "accumulating resources: accumulating resources from 'web.yaml': MalformedYAMLError: yaml: line 1: did not find expected node content in File: web.yaml",
    'web.yaml: line 1: did not find expected node content',
  ],
  [
    'what is there twice',
    "accumulating resources: accumulation err='merging resources from 'web.yaml': may not add resource with an already registered id: ConfigMap.v1.[noGrp]/a.[noNs]': must build at directory: 'base/web.yaml': file is not directory",
    'web.yaml: may not add resource with an already registered id: ConfigMap.v1.[noGrp]/a.[noNs]',
  ],
  [
    'what is no object',
    "accumulating resources: accumulation err='accumulating resources from 'web.yaml': missing Resource metadata': must build at directory: 'base/web.yaml': file is not directory",
    'web.yaml: missing Resource metadata',
  ],
  [
    'what is no YAML, to the kustomize of 2019',
    'rawResources failed to read Resources: YAML file [web.yaml] encounters a format error.\nerror converting YAML to JSON: yaml: line 1: did not find expected node content',
    'web.yaml: line 1: did not find expected node content',
  ],
  [
    'a patch of nothing',
    'no resource matches strategic merge patch "ConfigMap.v1.[noGrp]/b.[noNs]": no matches for Id ConfigMap.v1.[noGrp]/b.[noNs]; failed to find unique target for patch ConfigMap.v1.[noGrp]/b.[noNs]',
    'no resource matches strategic merge patch "ConfigMap.v1.[noGrp]/b.[noNs]": no matches for Id ConfigMap.v1.[noGrp]/b.[noNs]; failed to find unique target for patch ConfigMap.v1.[noGrp]/b.[noNs]',
  ],
])('%s is told in few words', (_what, said, words) => {
  expect(kustomizeProblem(newer(said))).toBe(words)
  expect(kustomizeProblem(`Error: ${said}\n`)).toBe(words)
})

test('nothing is told as that', () => {
  expect(kustomizeProblem('')).toBe('kustomize failed without a word')
})
