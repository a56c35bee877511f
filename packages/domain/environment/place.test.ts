import { expect, test } from 'vitest'
import { decidePlace, type PlaceSources, ruleObjection } from './place.ts'

const decide = (sources: { [Key in keyof PlaceSources]?: object }, own?: string) => {
  const environment = { name: 'staging', namespace: 'shop-staging', ...sources.environment }
  const outcome = decidePlace({ environment, rules: { ...sources.rules }, repository: { ...sources.repository }, own })
  return outcome.ok ? outcome.value : outcome.reason.code
}
const given = (namespace: string) => ({ namespace, isNamespaceGiven: true })

test('rules stand above the file, the file above the repository', () => {
  expect(decide({})).toEqual({ namespace: 'shop-staging', isRuled: false })
  expect(decide({ rules: { namespace: 'ruled' } })).toEqual({ namespace: 'ruled', isRuled: true })
  expect(decide({ rules: { namespace: 'ruled' }, environment: given('ruled') })).toMatchObject({ namespace: 'ruled' })
  expect(decide({ rules: { namespace: 'ruled' }, environment: given('other') })).toBe('namespace_not_allowed')
  expect(decide({ repository: { cluster: 'a' } })).toMatchObject({ cluster: 'a' })
  expect(decide({ repository: { cluster: 'a' }, rules: { cluster: 'b' } })).toMatchObject({ cluster: 'b' })
})

test('a file names only clusters that an admin gave', () => {
  const environment = { cluster: 'prod' }
  expect(decide({ environment })).toBe('cluster_not_allowed')
  expect(decide({ environment, repository: { cluster: 'staging' } })).toBe('cluster_not_allowed')
  expect(decide({ environment, repository: { cluster: 'prod' } })).toMatchObject({ cluster: 'prod' })
  expect(decide({ environment, repository: { clusters: ['prod'] } })).toMatchObject({ cluster: 'prod' })
  expect(decide({ environment, rules: { cluster: 'prod' } })).toMatchObject({ cluster: 'prod' })
  const overruled = { environment, rules: { cluster: 'staging' }, repository: { clusters: ['prod'] } }
  expect(decide(overruled)).toBe('cluster_not_allowed')
})

test.each(['kube-system', 'kube-public', 'kube-node-lease', 'kube-anything', 'taxiway'])(
  'nothing is deployed to %s, whoever says so',
  (namespace) => {
    expect(decide({ environment: given(namespace) })).toBe('namespace_not_allowed')
    expect(decide({ rules: { namespace } })).toBe('namespace_not_allowed')
    expect(ruleObjection({ namespace })).toContain(namespace)
  },
)

test("nothing is deployed to Taxiway's own namespace, and to default only when an admin says so", () => {
  expect(decide({ environment: given('ci') }, 'ci')).toBe('namespace_not_allowed')
  expect(decide({ environment: given('default') })).toBe('namespace_not_allowed')
  expect(decide({ rules: { namespace: 'default' } })).toMatchObject({ namespace: 'default', isRuled: true })
  expect(decide({ environment: { namespace: 'default' }, repository: { namespace: 'default' } })).toMatchObject({
    namespace: 'default',
  })
})
