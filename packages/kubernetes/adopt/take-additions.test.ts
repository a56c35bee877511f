import { done } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import type { Call, Cluster } from '../cluster/call.ts'
import type { ClusterRelease, KubeObject } from '../object.ts'
import { additionsTo } from './additions.ts'
import { takeAdditions } from './take-additions.ts'

const own = { manager: 'taxiway', operation: 'Apply', apiVersion: 'apps/v1' }
const wanted = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { minReadySeconds: 1 } }
const live = {
  ...wanted,
  metadata: {
    name: 'web',
    resourceVersion: '7',
    managedFields: [
      { ...own, fieldsV1: { 'f:spec': { 'f:minReadySeconds': {} } } },
      {
        manager: 'kubectl-edit',
        operation: 'Update',
        apiVersion: 'apps/v1',
        fieldsV1: { 'f:spec': { 'f:minReadySeconds': {}, 'f:paused': {} } },
      },
      { manager: 'kube-controller-manager', operation: 'Update', fieldsV1: { 'f:status': {} }, subresource: 'status' },
    ],
  },
  spec: { minReadySeconds: 1, paused: true },
} as KubeObject

async function take(status: number, object = live) {
  const calls: Call[] = []
  const cluster = {
    call: async (call: Call) => {
      calls.push(call)
      return done({ status, body: { message: 'no' } })
    },
  } as unknown as Cluster
  const wait = { untilMs: performance.now() + 1_000, signal: new AbortController().signal, say: () => {} }
  const release = { namespace: 'shop' } as ClusterRelease
  const taken = await takeAdditions(cluster, object, additionsTo(object, wanted), release, wait)
  return { taken, calls }
}

test('what a person added becomes ours alone, and what they say as we do stays theirs', async () => {
  const { taken, calls } = await take(200)
  expect(taken).toEqual(done(true))
  const [entries, version] = (calls[0]?.body ?? []) as { value: any }[]
  expect(entries?.value).toMatchObject([
    { ...own, fieldsV1: { 'f:spec': { 'f:minReadySeconds': {}, 'f:paused': {} } } },
    { manager: 'kubectl-edit', fieldsV1: { 'f:spec': { 'f:minReadySeconds': {} } } },
    { manager: 'kube-controller-manager' },
  ])
  expect(entries?.value[1].fieldsV1['f:spec']).not.toHaveProperty('f:paused')
  expect(version).toMatchObject({ path: '/metadata/resourceVersion', value: '7' })
})

test('an object that changed meanwhile is read again, one without additions is not written', async () => {
  expect((await take(409)).taken).toEqual(done(true))
  expect((await take(422)).taken).toMatchObject({ ok: false })
  const { taken, calls } = await take(200, { ...live, spec: { minReadySeconds: 1 } })
  expect([taken, calls]).toEqual([done(false), []])
})
