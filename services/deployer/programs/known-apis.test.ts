import { expect, test } from 'vitest'
import { inKnownVersions } from './known-apis.ts'

const budget = (apiVersion: string, selector: object = { matchLabels: { app: 'web' } }) => ({
  value: { apiVersion, kind: 'PodDisruptionBudget', metadata: { name: 'web' }, spec: { selector } },
  file: 'chart/templates/web.yaml',
})
const lines: string[] = []
const within = (known: string[], manifest: ReturnType<typeof budget>) => {
  const found = inKnownVersions([manifest], {
    knows: (kind) => known.includes(kind),
    chart: 'chart',
    say: (line) => void lines.push(line),
  })
  return found.ok ? found.value.map(({ value }) => (value as { apiVersion: string }).apiVersion) : found.reason.message
}

test('a version that the cluster does not have gives way to one that means the same', () => {
  expect(within(['policy/v1beta1/PodDisruptionBudget'], budget('policy/v1'))).toEqual(['policy/v1beta1'])
  expect(within(['policy/v1/PodDisruptionBudget'], budget('policy/v1beta1'))).toEqual(['policy/v1'])
  expect(within(['policy/v1/PodDisruptionBudget'], budget('policy/v1'))).toEqual(['policy/v1'])
  expect(lines).toEqual([
    'PodDisruptionBudget/web: the chart asked for policy/v1, this cluster has policy/v1beta1',
    'PodDisruptionBudget/web: the chart asked for policy/v1beta1, this cluster has policy/v1',
  ])
})

test('where none means the same, it is said what the chart asked for', () => {
  expect(within(['policy/v1beta1/PodDisruptionBudget'], budget('policy/v1', {}))).toMatch(
    /^chart: it asks for kinds that this cluster does not have: PodDisruptionBudget\/web in chart\/templates\/web.yaml \(policy\/v1\)\. Helm tells charts/,
  )
})
