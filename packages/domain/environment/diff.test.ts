import { expect, test } from 'vitest'
import { diffLines, diffObjects } from './diff.ts'

const digest = (letter: string) => `127.0.0.1:5000/acme/web@sha256:${letter.repeat(64)}`
const env = (values: Record<string, string>) => Object.entries(values).map(([name, value]) => ({ name, value }))
const web = (more: { image?: string; replicas?: number; env?: object[]; run?: string } = {}) => ({
  kind: 'Deployment',
  metadata: {
    name: 'web',
    annotations: { 'taxiway.dev/run': more.run ?? 'run_1', 'taxiway.dev/generation': more.run ?? '1' },
  },
  spec: {
    replicas: more.replicas ?? 2,
    template: {
      metadata: { annotations: { 'taxiway.dev/run': more.run ?? 'run_1' } },
      spec: { containers: [{ name: 'web', image: more.image ?? digest('a'), env: more.env ?? [], args: ['a', 'b'] }] },
    },
  },
})
const config = (name: string) => ({ kind: 'ConfigMap', metadata: { name }, data: { 'a.txt': 'x' } })
const told = (before: object[], after: object[]) =>
  diffLines({
    environment: 'staging',
    generation: 2,
    against: { generation: 1, sha: 'a'.repeat(40) },
    ...diffObjects({ objects: before as never }, { objects: after as never }),
  })

test('the line of an object says what changes', () => {
  expect(told([web()], [web({ image: digest('b'), replicas: 3, run: 'run_2' }), config('new')])).toEqual([
    'Deployment/web: replicas 2 → 3, image web@bbbbbbbbbbbb',
    'ConfigMap/new: added',
  ])
  expect(told([web(), config('old')], [web({ env: env({ LEVEL: 'high' }) })])).toEqual([
    'Deployment/web: env[LEVEL].value high',
    'ConfigMap/old: removed',
  ])
})

test('what differs in every release changes nothing', () => {
  expect(diffObjects({ objects: [web()] }, { objects: [web({ run: 'run_2' })] })).toEqual({ objects: [], unchanged: 1 })
  expect(told([web()], [web({ run: 'run_2' })])).toEqual(['nothing changes: 1 objects stay as they are'])
})

test('the order of what has names changes nothing', () => {
  const before = web({ env: env({ A: '1', B: '2' }) })
  const after = web({ env: env({ B: '2', A: '1' }) })
  expect(diffObjects({ objects: [before] }, { objects: [after] }).objects).toEqual([])
})

test('values that are named like secrets, and Secrets that a release makes, are hidden', () => {
  const given = (name: string) => [{ name: 'X', valueFrom: { secretKeyRef: { name, key: 'X' } } }]
  const text = JSON.stringify(
    diffObjects(
      {
        objects: [web({ env: [...env({ DB_PASSWORD: 'hunter2' }), ...given('web-1111')] })],
        secrets: [{ name: 'web-1111' }],
      },
      {
        objects: [web({ env: [...env({ DB_PASSWORD: 'hunter3' }), ...given('web-2222')] })],
        secrets: [{ name: 'web-2222' }],
      },
    ),
  )
  expect(text).not.toMatch(/hunter|1111|2222/)
})

test('what is too much is counted', () => {
  const many = (value: string) => ({
    kind: 'ConfigMap',
    metadata: { name: 'x' },
    data: Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`k${i}`, value])),
  })
  const [change] = diffObjects({ objects: [many('a')] }, { objects: [many('b'.repeat(500))] }).objects
  expect(change).toMatchObject({ change: 'changed', more: 30 })
  expect(change?.fields).toHaveLength(50)
  expect(change?.fields[0]?.after).toHaveLength(201)
  const all = Array.from({ length: 130 }, (_, index) => config(`c${index}`))
  const diff = diffObjects(undefined, { objects: all })
  expect([diff.objects.length, diff.more]).toEqual([100, 30])
})
