import { expect, test } from 'vitest'
import { differences } from './difference.ts'

test('what differs is told leaf by leaf, entries of lists by their names', () => {
  const wanted = {
    metadata: { labels: { 'app.kubernetes.io/name': 'web' } },
    spec: {
      replicas: 2,
      containers: [
        { name: 'a', image: 'one', env: [{ name: 'X', value: '1' }] },
        { name: 'b', args: ['x', 'y'] },
      ],
    },
  }
  const live = {
    metadata: { labels: {} },
    spec: {
      replicas: 3,
      containers: [
        { name: 'b', args: ['x', 'z'] },
        { name: 'a', image: 'one', env: [] },
      ],
    },
  }
  expect(differences(wanted, live)).toEqual([
    { path: 'metadata.labels[app.kubernetes.io/name]', wanted: 'web' },
    { path: 'spec.replicas', wanted: '2', live: '3' },
    { path: 'spec.containers[a].env[X].name', wanted: 'X' },
    { path: 'spec.containers[a].env[X].value', wanted: '1' },
    { path: 'spec.containers[b].args[1]', wanted: 'y', live: 'z' },
  ])
  expect(differences(wanted, structuredClone(wanted))).toEqual([])
})

test('names that every object has by birth are names like others', () => {
  expect(differences({ constructor: '1' }, {})).toEqual([{ path: 'constructor', wanted: '1' }])
  expect(differences(JSON.parse('{"__proto__":"1"}'), {})).toEqual([{ path: '__proto__', wanted: '1' }])
})

test('values of different kinds differ whole', () => {
  expect(differences({ a: { b: 1 } }, { a: 'text' })).toEqual([{ path: 'a.b', wanted: '1' }])
  expect(differences({ a: true }, { a: 'true' })).toEqual([{ path: 'a', wanted: 'true', live: 'true' }])
  expect(differences({ a: '' }, {})).toEqual([{ path: 'a', wanted: '' }])
})
