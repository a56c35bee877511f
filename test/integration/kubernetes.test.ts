import { setTimeout as sleep } from 'node:timers/promises'
import { type Cluster, connectCluster, waitFor } from '@taxiway/kubernetes/cluster.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { checkPolicy } from '../../services/deployer/policy.ts'
import { stamp } from '../../services/deployer/render.ts'
import type { ReleaseOrder, RenderedObject, Target } from '../../services/deployer/target.ts'
import { makeKubernetesTarget } from '../../services/deployer/targets/kubernetes.ts'
import { type Images, makeImages, serving } from '../contracts/images.ts'
import {
  deployment,
  makePlace,
  makeWork,
  service,
  successOf,
  type TestPlace,
  targetContract,
} from '../contracts/target.ts'

const kubeconfig = () => ({ kubeconfig: process.env.KUBECONFIG ?? '' })
const wait = () => waitFor(20_000, makeWork())
const places: TestPlace[] = []
let cluster: Cluster
let target: Target
let images: Images
let good = ''

beforeAll(async () => {
  cluster = connectCluster(kubeconfig())
  target = makeKubernetesTarget(kubeconfig())
  images = makeImages()
  good = await images.publish('web', serving('one'))
})
afterAll(async () => {
  for (const place of places) await removeNamespace(place)
  cluster.close()
})

const removeNamespace = async ({ namespace }: TestPlace) => {
  await connectCluster(kubeconfig()).call({ method: 'DELETE', path: `/api/v1/namespaces/${namespace}` }, wait())
}
const open = (name: string) => {
  const place = makePlace(name)
  places.push(place)
  return place
}
const roll = async (order: ReleaseOrder, deadlineMs = 20_000) => {
  successOf(await target.dryRun(order, makeWork()))
  successOf(await target.apply(order, makeWork()))
  return successOf(await target.watch(order, makeWork(deadlineMs)))
}
const read = async (place: TestPlace, path: string) => {
  const answer = await cluster.call<KubeObject>({ method: 'GET', path: path.replace('*', place.namespace) }, wait())
  const { status, body } = successOf(answer)
  return status === 404 ? undefined : body
}
const webPath = '/apis/apps/v1/namespaces/*/deployments/web'
const servicePath = '/api/v1/namespaces/*/services/web'
const configMap = (name: string, data: object): RenderedObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
})
const failureOf = (outcome: Awaited<ReturnType<Target['apply']>>) => (outcome.ok ? undefined : outcome.reason)

targetContract('kubernetes', { open: async () => makeKubernetesTarget(kubeconfig()), close: removeNamespace })

test('a healthy release runs exactly the digest, and all its objects carry its generation', async () => {
  const place = open('healthy')
  const order = place.order(good, [deployment({}, { replicas: 2 }), service()])
  expect(await roll(order)).toEqual({ healthy: true, ready: 'web 2/2' })
  const { body } = successOf(
    await cluster.call<{ items: { status: { containerStatuses: { imageID: string }[] } }[] }>(
      { method: 'GET', path: `/api/v1/namespaces/${place.namespace}/pods` },
      wait(),
    ),
  )
  expect(body.items).toHaveLength(2)
  for (const pod of body.items) expect(pod.status.containerStatuses[0]?.imageID).toContain(good.split('@')[1])
  for (const path of [webPath, servicePath])
    expect((await read(place, path))?.metadata.annotations).toMatchObject({ 'taxiway.dev/generation': '1' })
})

test('a bad third object is named, and nothing is changed', async () => {
  const place = open('bad-third')
  await roll(place.order(good))
  const before = [await read(place, webPath), await read(place, servicePath)]
  const order = place.order(good, [deployment({}, { replicas: 2 }), configMap('new', {}), service(99999)])
  const reason = failureOf(await target.dryRun(order, makeWork()))
  expect(reason?.code).toBe('manifest_invalid')
  expect(reason?.message).toMatch(/^Service\/web: spec\.ports\[0\]\.port: Invalid value: 99999/)
  const after = [await read(place, webPath), await read(place, servicePath)]
  expect(after.map((object) => object?.metadata.resourceVersion)).toEqual(
    before.map((object) => object?.metadata.resourceVersion),
  )
  expect(await read(place, '/api/v1/namespaces/*/configmaps/new')).toBeUndefined()
})

test('a misspelt field is refused, not dropped', async () => {
  const order = open('misspelt').order(good, [deployment({ redinessProbe: {} })])
  expect(failureOf(await target.dryRun(order, makeWork()))?.message).toMatch(/^Deployment\/web: .*redinessProbe/)
})

test('a cluster role binding never gets as far as the cluster', () => {
  const document = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name: 'x' } }
  const outcome = checkPolicy([deployment(), document], 'shop')
  expect(outcome.ok ? undefined : outcome.reason).toMatchObject({ code: 'manifest_forbidden' })
})

test('a crash loop is explained by its last line and undone, while the old pods go on', async () => {
  const place = open('crash')
  const first = place.order(good)
  await roll(first)
  const bad = place.order(await images.publish('crash-later', 'echo listening; echo no database >&2; exit 3'))
  const verdict = await roll(bad, 30_000)
  expect(verdict).toEqual({ healthy: false, detail: 'web: crash loop, exit 3: no database' })
  expect((await read(place, webPath))?.status).toMatchObject({ availableReplicas: 1 })
  const restoring = { failed: bad, previous: first, generation: place.nextGeneration() }
  const restored = successOf(await target.restore(restoring, makeWork()))
  expect(restored).toEqual({ complete: true, detail: `rolled back to ${first.sha.slice(0, 7)}` })
  expect(await read(place, webPath)).toMatchObject({
    metadata: { annotations: { 'taxiway.dev/run': first.runId, 'taxiway.dev/generation': '3' } },
  })
})

test('a program that is never ready is given up at the deadline, with what its probe says', async () => {
  const order = open('never-ready').order(await images.publish('never-ready', 'sleep 600'))
  const verdict = await roll(order, 6_000)
  expect(!verdict.healthy && verdict.detail).toMatch(/^web: never ready: Readiness probe failed: /)
})

test('a pod that fits nowhere is told as unschedulable', async () => {
  const order = open('too-big').order(good, [deployment({ resources: { requests: { memory: '900Ti' } } })])
  const verdict = await roll(order)
  expect(!verdict.healthy && verdict.detail).toMatch(/^web: unschedulable: 0\/1 nodes/)
})

test('a secret that is missing is named', async () => {
  const env = [{ name: 'X', valueFrom: { secretKeyRef: { name: 'db', key: 'url' } } }]
  const verdict = await roll(open('no-secret').order(good, [deployment({ env })]))
  expect(!verdict.healthy && verdict.detail).toBe('web: can\'t start: secret "db" not found')
})

test('an older release that read before a newer one wrote is stale, and changes nothing', async () => {
  const place = open('race')
  const first = place.order(good)
  await roll(first)
  const older = stamp(place.order(good, [configMap('only-older', { a: '1' }), deployment(), service(81)]), 2)
  const newer = stamp(place.order(good, [deployment(), service(82)]), 3)
  // The older one is held after it has claimed and written its first object.
  let arrived = () => {}
  let release = () => {}
  const atFirstObject = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const { applyRelease } = await import('@taxiway/kubernetes/apply.ts')
  const slow: Cluster = {
    ...cluster,
    async call(call, callWait) {
      if (call.method === 'PATCH' && call.path.endsWith('/services/web')) {
        arrived()
        await held
      }
      return cluster.call(call, callWait)
    },
  }
  const applying = applyRelease(slow, older, wait())
  await atFirstObject
  successOf(await target.apply(newer, makeWork()))
  release()
  expect(failureOf(await applying)?.code).toBe('stale_generation')
  expect(await read(place, servicePath)).toMatchObject({ spec: { ports: [{ port: 82 }] } })
  // What only the older one had goes when the newer one is healthy.
  expect(successOf(await target.watch(newer, makeWork()))).toMatchObject({ healthy: true })
  successOf(await target.prune(newer, makeWork()))
  expect(await read(place, '/api/v1/namespaces/*/configmaps/only-older')).toBeUndefined()
})

test('an older release does not leave behind what it made after a newer one came', async () => {
  const place = open('late-create')
  const older = place.order(good, [configMap('late', {})])
  const newer = place.order(good, [configMap('other', {})])
  const { applyRelease } = await import('@taxiway/kubernetes/apply.ts')
  const slow: Cluster = {
    ...cluster,
    async call(call, callWait) {
      const isLate = call.method === 'POST' && (call.body as KubeObject).metadata.name === 'late'
      if (isLate) successOf(await target.apply(newer, makeWork()))
      return cluster.call(call, callWait)
    },
  }
  successOf(await target.dryRun(older, makeWork()))
  expect(failureOf(await applyRelease(slow, older, wait()))?.code).toBe('stale_generation')
  expect(await read(place, '/api/v1/namespaces/*/configmaps/late')).toBeUndefined()
})

test('an apply that was cut off between two objects is completed by the next', async () => {
  const place = open('cut-off')
  const order = place.order(good, [configMap('first', {}), deployment(), service()])
  successOf(await target.dryRun(order, makeWork()))
  const { applyRelease } = await import('@taxiway/kubernetes/apply.ts')
  const cut: Cluster = {
    ...cluster,
    call(call, callWait) {
      if (call.method === 'POST' && call.path.endsWith('/deployments')) throw new Error('cut off')
      return cluster.call(call, callWait)
    },
  }
  await expect(applyRelease(cut, order, wait())).rejects.toThrow('cut off')
  expect(await read(place, webPath)).toBeUndefined()
  successOf(await target.apply(order, makeWork()))
  expect(successOf(await target.watch(order, makeWork()))).toMatchObject({ healthy: true })
  for (const path of [webPath, servicePath, '/api/v1/namespaces/*/configmaps/first'])
    expect((await read(place, path))?.metadata.annotations).toMatchObject({ 'taxiway.dev/generation': '1' })
})

test('what a later manifest drops is dropped from the object, and objects it drops are removed when it is healthy', async () => {
  const place = open('drops')
  await roll(place.order(good, [configMap('kept', { a: '1', b: '1' }), configMap('dropped', {}), deployment()]))
  const next = place.order(good, [configMap('kept', { a: '2' }), deployment()])
  await roll(next)
  expect(await read(place, '/api/v1/namespaces/*/configmaps/dropped')).toBeDefined()
  successOf(await target.prune(next, makeWork()))
  expect((await read(place, '/api/v1/namespaces/*/configmaps/kept'))?.data).toEqual({ a: '2' })
  expect(await read(place, '/api/v1/namespaces/*/configmaps/dropped')).toBeUndefined()
})

test('what others made is not taken from them, unless they agree', async () => {
  const place = open('foreign')
  successOf(await target.dryRun(place.order(good, [configMap('x', {})]), makeWork()))
  const path = `/api/v1/namespaces/${place.namespace}/configmaps`
  const theirs = { ...configMap('shared', { a: '1' }), metadata: { name: 'shared' } }
  successOf(await cluster.call({ method: 'POST', path, query: { fieldManager: 'kubectl' }, body: theirs }, wait()))
  const reason = failureOf(await target.dryRun(place.order(good, [configMap('shared', { a: '2' })]), makeWork()))
  expect(reason?.code).toBe('manifest_conflict')
  expect(reason?.message).toContain('kubectl owns .data.a')
})

test('a job of an earlier run is run anew, and not run again by a rollback', async () => {
  const place = open('job')
  const job = (command: string): RenderedObject => ({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'migrate' },
    spec: {
      backoffLimit: 0,
      template: {
        spec: { restartPolicy: 'Never', containers: [{ name: 'm', image: 'web', command: ['sh', '-c', command] }] },
      },
    },
  })
  const first = place.order(good, [job('true'), deployment()])
  expect(await roll(first)).toMatchObject({ healthy: true })
  const bad = place.order(good, [job('echo no such column; exit 4'), deployment()])
  expect(await roll(bad)).toEqual({ healthy: false, detail: 'migrate: exit 4: no such column' })
  const generation = place.nextGeneration()
  expect(successOf(await target.restore({ failed: bad, previous: first, generation }, makeWork()))).toMatchObject({
    complete: true,
  })
  expect(await read(place, '/apis/batch/v1/namespaces/*/jobs/migrate')).toBeUndefined()
})

test('a stateful set whose new pod is broken comes back', async () => {
  const place = open('stateful')
  const set = (): RenderedObject => {
    const { spec } = deployment({}, { serviceName: 'web' })
    return { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'web' }, spec }
  }
  const first = place.order(good, [set()])
  expect(await roll(first, 60_000)).toMatchObject({ healthy: true })
  const bad = place.order(images.missing('web'), [set()])
  expect(await roll(bad, 60_000)).toMatchObject({ healthy: false, detail: expect.stringContaining("can't be pulled") })
  const generation = place.nextGeneration()
  expect(successOf(await target.restore({ failed: bad, previous: first, generation }, makeWork(60_000)))).toMatchObject(
    {
      complete: true,
    },
  )
})

test('a kubeconfig without the context is told as a missing target', async () => {
  const lost = makeKubernetesTarget({ ...kubeconfig(), context: 'nowhere' })
  const outcome = await lost.live(makePlace('x'), makeWork())
  expect(outcome.ok ? undefined : outcome.reason.code).toBe('target_unavailable')
})

test('readiness is noticed within 300 ms', async () => {
  const place = open('prompt')
  const order = place.order(good)
  successOf(await target.dryRun(order, makeWork()))
  successOf(await target.apply(order, makeWork()))
  const watching = target.watch(order, makeWork()).then(() => performance.now())
  let ready = 0
  while (!ready) {
    const status = (await read(place, webPath))?.status as { availableReplicas?: number } | undefined
    if (status?.availableReplicas === 1) ready = performance.now()
    else await sleep(10)
  }
  expect((await watching) - ready).toBeLessThan(300)
})
