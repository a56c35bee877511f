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
const again = (stored: unknown) => fromStored(JSON.parse(JSON.stringify(stored)), () => order.objects[0])
const named = (order: ReleaseOrder) => toStored(order, ({ kind }) => `a ${kind}`)

test('An order is read as it was stored, without what holds for one turn only', () => {
  expect(named(order)).toMatchObject({ version: 2, objects: ['a ConfigMap'] })
  expect(again(named({ ...order, upTo: 2 }))).toEqual(order)
})

test('An order that was stored with its objects in it is read', () => {
  expect(again(order)).toEqual(order)
  expect(again({ ...order, version: 1 })).toEqual(order)
})

test('An order of a later version, and what is none, is not taken for one', () => {
  expect(() => again({ ...order, version: 3 })).toThrow('of version 3, not 2')
  expect(() => fromStored(named(order), () => undefined)).toThrow('/objects/0')
  expect(() => again({ ...order, objects: [{ kind: 'ConfigMap', metadata: {} }] })).toThrow('/objects/0')
  expect(() => again({ namespace: 'shop' })).toThrow('not valid')
  for (const nothing of [null, 'text']) expect(() => again(nothing)).toThrow('not valid')
})
