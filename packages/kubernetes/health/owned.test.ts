import { expect, test } from 'vitest'
import type { KubeObject, Pod } from '../object.ts'
import { ownedPods } from './owned.ts'

const labels = { app: 'shop' }
const pod = (name: string, owner: string, more: Record<string, string> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    labels: { ...labels, ...more },
    ownerReferences: [{ uid: owner, kind: 'any', name: owner, controller: true }],
  },
  spec: { containers: [] },
})
const replicaSet = (uid: string, deployment: string, revision: string): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: {
    name: uid,
    uid,
    annotations: { 'deployment.kubernetes.io/revision': revision, 'taxiway.dev/run': `run_${revision}` },
    ownerReferences: [{ uid: deployment, kind: 'Deployment', name: deployment, controller: true }],
  },
})
const workload = (kind: string, uid: string, more: { revision?: string; status?: object } = {}): KubeObject => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: {
    name: uid,
    uid,
    generation: 2,
    ...(more.revision ? { annotations: { 'deployment.kubernetes.io/revision': more.revision } } : {}),
  },
  spec: { selector: { matchLabels: labels } },
  status: { observedGeneration: 2, ...more.status },
})
const names = (pods: Pod[]) => pods.map(({ metadata }) => metadata.name)

test('pods with the same labels belong to the Deployment that owns their ReplicaSet, and are current by its revision', () => {
  const pods = ownedPods(
    [pod('web-1', 'rs-web-1'), pod('web-2', 'rs-web-2'), pod('worker-1', 'rs-worker'), pod('bare', 'nobody')],
    [replicaSet('rs-web-1', 'web', '1'), replicaSet('rs-web-2', 'web', '2'), replicaSet('rs-worker', 'worker', '2')],
  )
  const web = workload('Deployment', 'web', { revision: '2' })
  expect(names(pods.of(web))).toEqual(['web-1', 'web-2'])
  expect(names(pods.currentOf(web))).toEqual(['web-2'])
  expect(pods.madeFrom(pods.of(web)[0] as Pod)?.metadata.annotations?.['taxiway.dev/run']).toBe('run_1')
  expect(names(pods.currentOf(workload('Deployment', 'worker', { revision: '2' })))).toEqual(['worker-1'])
})

test('before its controller has seen a template, no pod is of it', () => {
  const pods = ownedPods([pod('web-1', 'rs')], [replicaSet('rs', 'web', '1')])
  const unseen = workload('Deployment', 'web', { revision: '1', status: { observedGeneration: 1 } })
  expect(names(pods.of(unseen))).toEqual(['web-1'])
  expect(pods.currentOf(unseen)).toEqual([])
})

test('a StatefulSet says which revision is current, of a DaemonSet it is the newest', () => {
  const owner = (uid: string) => ({ ownerReferences: [{ uid, kind: 'any', name: uid, controller: true }] })
  const revision = (uid: string, hash: string, number: number): KubeObject => ({
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: { name: `${uid}-${hash}`, labels: { 'controller-revision-hash': hash }, ...owner(uid) },
    revision: number,
  })
  const hash = (value: string) => ({ 'controller-revision-hash': value })
  const pods = ownedPods(
    [
      pod('db-0', 'db', hash('db-a')),
      pod('db-1', 'db', hash('db-b')),
      pod('agent-1', 'agent', hash('x')),
      pod('agent-2', 'agent', hash('y')),
    ],
    [],
    // A template that was given again is the newest again, under the hash that it had.
    [revision('agent', 'x', 3), revision('agent', 'y', 2), revision('db', 'a', 9)],
  )
  expect(names(pods.currentOf(workload('StatefulSet', 'db', { status: { updateRevision: 'db-b' } })))).toEqual(['db-1'])
  expect(names(pods.currentOf(workload('DaemonSet', 'agent')))).toEqual(['agent-1'])
  expect(pods.madeFrom(pod('db-0', 'db', hash('db-a')))?.revision).toBe(9)
})

test('a Job has the pods that it owns', () => {
  const pods = ownedPods([pod('migrate-1', 'job-1'), pod('migrate-2', 'job-2')], [])
  expect(names(pods.currentOf(workload('Job', 'job-2')))).toEqual(['migrate-2'])
})
