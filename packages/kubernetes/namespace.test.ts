import { done } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import type { Answer, Call, Cluster } from './cluster/call.ts'
import { ensureNamespace, isPreviewOf, removeNamespace } from './namespace.ts'

const place = { repositoryId: 'repo_1', environment: 'preview.12', namespace: 'shop-12' }
const labels = {
  'app.kubernetes.io/managed-by': 'taxiway',
  'taxiway.dev/repository': 'repo_1',
  'taxiway.dev/environment': 'preview.12',
  'taxiway.dev/preview': '12',
}
const live = (more: object = {}, status: object = { phase: 'Active' }): Answer => ({
  status: 200,
  body: { metadata: { name: 'shop-12', uid: 'u', resourceVersion: '7', labels, ...more }, status },
})
const gone: Answer = { status: 404, body: {} }
const wait = (forMs = 60_000) => ({
  untilMs: performance.now() + forMs,
  signal: new AbortController().signal,
  say: () => {},
})
/** A cluster that gives these answers one after another, the last again and again, and keeps what it was asked. */
function answering(...answers: Answer[]) {
  const calls: Call[] = []
  const call = async (asked: Call) => {
    calls.push(asked)
    return done(answers.length > 1 ? answers.shift() : answers[0])
  }
  const verbs = () => calls.map(({ method }) => method).join(' ')
  return { calls, verbs, cluster: { call } as unknown as Cluster }
}
const held = async () => true

test('the namespace of a preview is deleted exactly as it was read, and waited for', async () => {
  const { calls, verbs, cluster } = answering(live(), { status: 200, body: {} }, gone)
  expect(await removeNamespace(cluster, place, held, wait())).toEqual(done(true))
  expect(verbs()).toBe('GET DELETE GET')
  expect(calls[1]).toMatchObject({
    path: '/api/v1/namespaces/shop-12',
    body: { preconditions: { uid: 'u', resourceVersion: '7' } },
  })
})

test.each([
  ['nobody says whose it is', {}],
  ['it is of another repository', { ...labels, 'taxiway.dev/repository': 'repo_2' }],
  ['it is of another preview', { ...labels, 'taxiway.dev/environment': 'preview.13' }],
  ['it was made for an environment that is no preview', { ...labels, 'taxiway.dev/preview': undefined }],
  ['somebody else manages it', { ...labels, 'app.kubernetes.io/managed-by': 'helm' }],
])('a namespace stays when %s', async (_what, others) => {
  const { verbs, cluster } = answering(live({ labels: others }))
  expect(await removeNamespace(cluster, place, held, wait())).toEqual(done(false))
  expect(verbs()).toBe('GET')
})

test('one that this account may not look at stays', async () => {
  const { verbs, cluster } = answering({ status: 403, body: {} })
  expect(await removeNamespace(cluster, place, held, wait())).toEqual(done(false))
  expect(verbs()).toBe('GET')
})

test('nothing is deleted once somebody else holds the environment, or has deployed to it', async () => {
  const lost = answering(live())
  expect(await removeNamespace(lost.cluster, place, async () => false, wait())).toMatchObject({
    reason: { code: 'removal_overtaken' },
  })
  expect(lost.verbs()).toBe('GET')
  const changed = answering(
    live(),
    { status: 409, body: { message: 'resourceVersion' } },
    live({ resourceVersion: '8' }),
  )
  expect(await removeNamespace(changed.cluster, place, held, wait())).toMatchObject({
    reason: { code: 'removal_overtaken' },
  })
})

test('one that does not go is told with what holds it', async () => {
  const said = { type: 'NamespaceContentRemaining', status: 'True', message: 'Some resources are remaining' }
  const { cluster } = answering(
    live({ finalizers: ['example.com/held'] }, { phase: 'Terminating', conditions: [said] }),
  )
  expect(await removeNamespace(cluster, place, held, wait(0))).toMatchObject({
    reason: {
      code: 'removal_unfinished',
      message: expect.stringContaining('it waits for example.com/held; Some resources are remaining'),
    },
  })
})

test('what is gone already is success', async () => {
  expect(await removeNamespace(answering(gone).cluster, place, held, wait())).toEqual(done(true))
})

const security = (level: string) => ({
  'pod-security.kubernetes.io/enforce': level,
  'pod-security.kubernetes.io/audit': 'restricted',
  'pod-security.kubernetes.io/warn': 'restricted',
})

test('a preview makes its namespace with its marks, and each release changes them; it takes no other', async () => {
  const made = answering(gone, { status: 201, body: {} })
  const release = { ...place, runId: 'run_1', preview: 12 }
  expect(await ensureNamespace(made.cluster, release, wait())).toEqual(done(undefined))
  const created = made.calls[1]?.body as { metadata: { labels: object } } | undefined
  expect(isPreviewOf({ apiVersion: 'v1', kind: 'Namespace', metadata: created?.metadata as never }, place)).toBe(true)

  const next = answering(live({ annotations: { 'taxiway.dev/run': 'run_1' } }))
  expect(await ensureNamespace(next.cluster, { ...release, runId: 'run_2' }, wait())).toEqual(done(undefined))
  expect(next.calls[1]).toMatchObject({
    method: 'PATCH',
    body: { metadata: { uid: 'u', annotations: { 'taxiway.dev/run': 'run_2' } } },
  })
  const foreign = answering(live({ labels: {} }))
  expect(await ensureNamespace(foreign.cluster, release, wait())).toMatchObject({ reason: { code: 'namespace_taken' } })
  expect(foreign.verbs()).toBe('GET')
  const beaten = answering(gone, { status: 409, body: {} }, live({ labels: {} }))
  expect(await ensureNamespace(beaten.cluster, release, wait())).toMatchObject({ reason: { code: 'namespace_taken' } })
  const hidden = answering({ status: 403, body: {} })
  expect(await ensureNamespace(hidden.cluster, release, wait())).toMatchObject({
    reason: { code: 'cluster_forbidden', message: expect.stringContaining('taxiway cluster rbac --previews') },
  })
  const given = { ...place, runId: 'run_1' }
  expect(await ensureNamespace(hidden.cluster, given, wait())).toEqual(done(undefined))
  expect(await ensureNamespace(foreign.cluster, given, wait())).toEqual(done(undefined))
  const usual = answering(gone, { status: 201, body: {} })
  await ensureNamespace(usual.cluster, { ...place, runId: 'run_1' }, wait())
  expect(usual.calls[1]?.body).toEqual({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'shop-12', labels: { 'app.kubernetes.io/managed-by': 'taxiway', ...security('baseline') } },
  })
})

test('the cluster is told how restricted the pods of a namespace are: when it is made, and with each release of a preview', async () => {
  const made = answering(gone, { status: 201, body: {} })
  await ensureNamespace(made.cluster, { ...place, runId: 'run_1', pods: 'restricted' }, wait())
  expect(made.calls[1]?.body).toMatchObject({ metadata: { labels: security('restricted') } })
  const ruled = answering(live({ annotations: { 'taxiway.dev/run': 'run_1' } }))
  await ensureNamespace(ruled.cluster, { ...place, runId: 'run_2', preview: 12, pods: 'restricted' }, wait())
  expect(ruled.calls[1]).toMatchObject({ method: 'PATCH', body: { metadata: { labels: security('restricted') } } })
})
