import { expect, test } from 'vitest'
import type { ContainerStatus, Pod } from '../object.ts'
import { troubleOf, wrongDigest } from './pod.ts'

const digest = `sha256:${'a'.repeat(64)}`
const image = `127.0.0.1:5000/shop/web@${digest}`
const pod = (container: Partial<ContainerStatus>, more: object = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web-1', labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image }] },
  status: { containerStatuses: [{ name: 'web', ready: false, restartCount: 0, ...container }], ...more },
})
const exited = { exitCode: 1, reason: 'Error' }
const backOff = { state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: exited } }

test('a program that exits again and again may wait for a neighbour, and is told with how often it was started again', () => {
  expect(troubleOf(pod({ ...backOff, restartCount: 7 }))).toMatchObject({
    weight: 'open',
    text: 'crash loop, exit 1',
    restarts: 7,
    log: 'previous',
  })
})

test.each([
  ['memory that is not enough', { exitCode: 137, reason: 'OOMKilled' }],
  ['a command that is not there', { exitCode: 127, reason: 'Error' }],
  ['a command that may not run', { exitCode: 126, reason: 'Error' }],
])('%s does not heal by waiting', (_, terminated) => {
  const ended = (restartCount: number) => troubleOf(pod({ ...backOff, lastState: { terminated }, restartCount }))
  expect([ended(1)?.weight, ended(2)?.weight]).toEqual(['open', 'final'])
})

test('a program that runs again after crashes is not given up', () => {
  const running = { state: { running: {} }, lastState: { terminated: exited }, restartCount: 3 }
  expect(troubleOf(pod(running))?.weight).toBe('open')
  expect(troubleOf(pod({ ...running, ready: true }))).toBeUndefined()
})

test('memory that ran out is told by name', () => {
  const killed = { terminated: { exitCode: 137, reason: 'OOMKilled' } }
  expect(troubleOf(pod({ ...backOff, lastState: killed, restartCount: 2 }))?.text).toContain('out of memory')
})

test('an init container that ended well is no trouble', () => {
  const init = [{ name: 'init', ready: false, restartCount: 0, state: { terminated: { exitCode: 0 } } }]
  expect(troubleOf(pod({ state: { running: {} } }, { initContainerStatuses: init }))).toBeUndefined()
})

test('images that can not be pulled and configuration that is missing are told with the cause', () => {
  const waiting = (reason: string, message: string) => troubleOf(pod({ state: { waiting: { reason, message } } }))
  expect(waiting('ErrImagePull', 'manifest unknown')).toMatchObject({ weight: 'image' })
  expect(waiting('InvalidImageName', 'bad')).toMatchObject({ weight: 'final' })
  expect(waiting('CreateContainerConfigError', 'secret "db" not found')?.text).toBe(
    'can\'t start: secret "db" not found',
  )
  expect(waiting('CreateContainerConfigError', 'failed to sync secret cache')).toMatchObject({ weight: 'open' })
  expect(waiting('ContainerCreating', '')).toBeUndefined()
})

test.each([
  '0/1 nodes are available: 1 Insufficient memory',
  '0/1 nodes are available: 1 Insufficient memory. no new claims to deallocate, preemption: 0/1 nodes are available',
])('a pod that fits no node is told with what is missing, and waited for: one may come', (words) => {
  const message = `${words}.`
  const conditions = [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }]
  const asking = pod({}, { conditions })
  asking.spec.containers = [{ name: 'web', image, resources: { requests: { memory: '900Gi' } } }]
  expect(troubleOf(asking)).toMatchObject({
    weight: 'open',
    cause: 'unschedulable',
    text: `unschedulable: no node has the memory it asks for (900Gi): ${words}`,
  })
})

test('pods that run other bytes than ordered are found', () => {
  const containers = [{ name: 'web', image }]
  const workload = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { template: { spec: { containers } } },
  }
  const running = (imageID: string) => wrongDigest(pod({ imageID }), workload, [image])
  expect(running(`docker-pullable://${image}`)).toBeUndefined()
  expect(running('docker://sha256:0000')).toBeUndefined()
  expect(running(`docker-pullable://127.0.0.1:5000/shop/web@sha256:${'b'.repeat(64)}`)).toContain('instead of')
})

test('the same digest behind a mirror that a webhook put before it is the same image', () => {
  const workload = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { template: { spec: { containers: [{ name: 'web', image }] } } },
  }
  const mirrored = (asked: string, imageID: string) => {
    const seen = pod({ imageID })
    seen.spec.containers = [{ name: 'web', image: asked }]
    return wrongDigest(seen, workload, [image])
  }
  const other = `sha256:${'b'.repeat(64)}`
  expect(mirrored(`mirror.internal/${image}`, `mirror.internal/${image}`)).toBeUndefined()
  expect(mirrored(`mirror.internal/shop/web:7@${digest}`, `mirror.internal/shop/web@${digest}`)).toBeUndefined()
  expect(mirrored('mirror.internal/shop/web:7', `mirror.internal/shop/web@${digest}`)).toBeUndefined()
  expect(mirrored('mirror.internal/shop/web:7', `mirror.internal/shop/web@${other}`)).toContain('instead of')
  expect(mirrored('mirror.internal/shop/web:7', 'docker://sha256:0000')).toContain('instead of')
  expect(mirrored(`mirror.internal/${image}`, `mirror.internal/shop/web@${digest}`)).toBeUndefined()
  expect(mirrored(`mirror.internal/shop/web@${digest}`, `mirror.internal/shop/web@${other}`)).toContain('instead of')
  expect(mirrored(`mirror.internal/shop/web@${other}`, '')).toContain('instead of')
})
