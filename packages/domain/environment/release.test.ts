import { expect, test } from 'vitest'
import { fromStored, type ReleaseOrder, toStored } from './release.ts'

const order: ReleaseOrder = {
  repositoryId: 'rep_1',
  repositoryName: 'acme/shop',
  environment: 'production',
  namespace: 'shop',
  runId: 'run_1',
  sha: 'a'.repeat(40),
  generation: 3,
  objects: [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'web', labels: { app: 'web' } }, data: { a: '1' } },
  ],
  digests: [],
  secrets: [{ name: 'web-1', keys: ['TOKEN'] }],
}
const again = (stored: unknown) => fromStored(JSON.parse(JSON.stringify(stored)))

test('An order is read as it was stored, without what holds for one turn only', () => {
  expect(toStored(order)).toMatchObject({ version: 1 })
  expect(again(toStored({ ...order, upTo: 2 }))).toEqual(order)
})

test('An order that was stored before orders had a version is read', () => {
  expect(again(order)).toEqual(order)
})

test('An order of a later version, and what is none, is not taken for one', () => {
  expect(() => again({ ...order, version: 2 })).toThrow('of version 2, not 1')
  expect(() => again({ ...order, objects: [{ kind: 'ConfigMap', metadata: {} }] })).toThrow('/objects/0')
  expect(() => again({ namespace: 'shop' })).toThrow('not valid')
  for (const nothing of [null, 'text']) expect(() => again(nothing)).toThrow('not valid')
})
