import { expect, test } from 'vitest'
import { inOrder } from './list-order.ts'

const named = (...names: string[]) => names.map((name) => ({ name }))

test('a list that has another order than the manifest is written whole, what others added last', () => {
  const wanted = { template: { spec: { initContainers: named('wait-for-db', 'migrate'), replicas: 1 } } }
  const live = {
    template: { spec: { initContainers: [{ name: 'migrate', image: 'x' }, ...named('wait-for-db', 'added')] } },
  }
  expect(inOrder(wanted, live)).toEqual({
    template: {
      spec: { initContainers: [{ name: 'wait-for-db' }, { name: 'migrate', image: 'x' }, { name: 'added' }] },
    },
  })
})

test('a list inside of an entry brings the whole outer list', () => {
  const wanted = { containers: [{ name: 'web', env: named('A', 'B') }, ...named('cache')] }
  const live = { containers: [{ name: 'web', image: 'x', env: named('B', 'A') }, ...named('cache')] }
  expect(inOrder(wanted, live)).toEqual({
    containers: [{ name: 'web', image: 'x', env: named('A', 'B') }, { name: 'cache' }],
  })
})

test('nothing is written where the order is right, entries have no names, or are missing', () => {
  expect(inOrder({ env: named('A', 'B') }, { env: named('A', 'B', 'C') })).toBeUndefined()
  expect(inOrder({ args: ['b', 'a'] }, { args: ['a', 'b'] })).toBeUndefined()
  expect(inOrder({ ports: [{ port: 2 }, { port: 1 }] }, { ports: [{ port: 1 }, { port: 2 }] })).toBeUndefined()
  expect(inOrder({ env: named('A') }, {})).toBeUndefined()
  expect(inOrder({ env: named('A', 'B') }, { env: named('injected', 'A', 'too', 'B') })).toBeUndefined()
  const mounts = [
    { name: 'data', mountPath: '/a' },
    { name: 'tmp', mountPath: '/t' },
    { name: 'data', mountPath: '/b' },
  ]
  expect(inOrder({ mounts }, { mounts })).toBeUndefined()
  expect(inOrder({ mounts: mounts.slice(0, 2) }, { mounts })).toBeUndefined()
})
