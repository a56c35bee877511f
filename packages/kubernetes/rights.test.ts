import { rightsOfKinds } from '@taxiway/domain/cluster/rights.ts'
import { expect, test } from 'vitest'
import { kinds } from './object.ts'

test('for every kind that a release may hold it is known what rights that takes, and for no other', () => {
  const resources = Object.entries(rightsOfKinds).map(([kind, { group, resource }]) => [kind, resource, group])
  const wanted = Object.entries(kinds).map(
    ([
      kind,
      {
        plural,
        versions: [version = ''],
      },
    ]) => [kind, plural, version.includes('/') ? version.split('/')[0] : ''],
  )
  expect(resources.sort()).toEqual(wanted.sort())
})
