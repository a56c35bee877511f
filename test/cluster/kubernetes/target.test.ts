import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { checkPolicy } from '../../../services/deployer/policy/policy.ts'
import { makeKubernetesTarget } from '../../../services/deployer/target/kubernetes.ts'
import { deployment, makePlace, makeWork, service, successOf, targetContract } from '../../contracts/target.ts'
import {
  clusterScene,
  configMap,
  failureOf,
  kubeconfig,
  removeNamespace,
  servicePath,
  wait,
  webPath,
} from '../../world/cluster-scene.ts'

const scene = clusterScene()

targetContract('kubernetes', { open: async () => makeKubernetesTarget(kubeconfig()), close: removeNamespace })

test('a healthy release runs exactly the digest, and all its objects carry its generation', async () => {
  const place = scene.open('healthy')
  const order = place.order(scene.good, [deployment({}, { replicas: 2 }), service()])
  expect(await scene.roll(order)).toEqual({ healthy: true, ready: 'web 2/2' })
  const { body } = successOf(
    await scene.cluster.call<{ items: { status: { containerStatuses: { imageID: string }[] } }[] }>(
      { method: 'GET', path: `/api/v1/namespaces/${place.namespace}/pods` },
      wait(),
    ),
  )
  expect(body.items).toHaveLength(2)
  for (const pod of body.items) expect(pod.status.containerStatuses[0]?.imageID).toContain(scene.good.split('@')[1])
  for (const path of [webPath, servicePath])
    expect((await scene.read(place, path))?.metadata.annotations).toMatchObject({ 'taxiway.dev/generation': '1' })
})

test('a bad third object is named, and nothing is changed', async () => {
  const place = scene.open('bad-third')
  await scene.roll(place.order(scene.good))
  const before = [await scene.read(place, webPath), await scene.read(place, servicePath)]
  const order = place.order(scene.good, [deployment({}, { replicas: 2 }), configMap('new', {}), service(99999)])
  const reason = failureOf(await scene.target.dryRun(order, makeWork()))
  expect(reason?.code).toBe('manifest_invalid')
  expect(reason?.message).toMatch(/^Service\/web: spec\.ports\[0\]\.port: Invalid value: 99999/)
  const after = [await scene.read(place, webPath), await scene.read(place, servicePath)]
  expect(after.map((object) => object?.metadata.resourceVersion)).toEqual(
    before.map((object) => object?.metadata.resourceVersion),
  )
  expect(await scene.read(place, '/api/v1/namespaces/*/configmaps/new')).toBeUndefined()
})

test('a misspelt field is refused, not dropped', async () => {
  const order = scene.open('misspelt').order(scene.good, [deployment({ redinessProbe: {} })])
  expect(failureOf(await scene.target.dryRun(order, makeWork()))?.message).toMatch(/^Deployment\/web: .*redinessProbe/)
})

test('a cluster role binding never gets as far as the cluster', () => {
  const document = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name: 'x' } }
  const outcome = checkPolicy([deployment(), document], 'shop')
  expect(outcome.ok ? undefined : outcome.reason).toMatchObject({ code: 'manifest_forbidden' })
})

test.concurrent('a crash loop is explained by its last line and undone, while the old pods go on', async () => {
  const place = scene.open('crash')
  const first = place.order(scene.good)
  await scene.roll(first)
  const bad = place.order(await scene.images.publish('crash-later', 'echo listening >&2; echo no database >&2; exit 3'))
  const verdict = await scene.roll(bad, 30_000)
  expect(verdict).toMatchObject({ healthy: false, detail: 'web: crash loop, exit 3: no database' })
  expect((await scene.read(place, webPath))?.status).toMatchObject({ availableReplicas: 1 })
  const restoring = { failed: bad, previous: first, generation: place.nextGeneration() }
  const restored = successOf(await scene.target.restore(restoring, makeWork()))
  expect(restored).toEqual({ complete: true, detail: `rolled back to ${first.sha.slice(0, 7)}` })
  expect(await scene.read(place, webPath)).toMatchObject({
    metadata: { annotations: { 'taxiway.dev/run': first.runId, 'taxiway.dev/generation': '3' } },
  })
})

test.concurrent('a program that is never ready is given up at the deadline, with what its probe says', async () => {
  const order = scene.open('never-ready').order(await scene.images.publish('never-ready', 'sleep 600'))
  const verdict = await scene.roll(order, 20_000)
  expect(!verdict.healthy && verdict.detail).toBe('web: never ready: nothing listens on port 8080')
})

test.concurrent('a pod that fits nowhere is told as unschedulable', async () => {
  const order = scene.open('too-big').order(scene.good, [deployment({ resources: { requests: { memory: '900Ti' } } })])
  const verdict = await scene.roll(order, 6_000)
  expect(!verdict.healthy && verdict.detail).toMatch(
    /^web: unschedulable: no node has the memory it asks for \(900Ti\): 0\/1 nodes/,
  )
})

test.concurrent('a secret that is missing is named', async () => {
  const env = [{ name: 'X', valueFrom: { secretKeyRef: { name: 'db', key: 'url' } } }]
  const verdict = await scene.roll(scene.open('no-secret').order(scene.good, [deployment({ env })]))
  expect(!verdict.healthy && verdict.detail).toBe('web: can\'t start: secret "db" not found')
})

test('a kubeconfig without the context is told as a missing target', async () => {
  const lost = makeKubernetesTarget({ ...kubeconfig(), context: 'nowhere' })
  const outcome = await lost.live(makePlace('x'), makeWork())
  expect(outcome.ok ? undefined : outcome.reason.code).toBe('target_unavailable')
})

test('readiness is noticed within 300 ms', async () => {
  const place = scene.open('prompt')
  const order = place.order(scene.good)
  successOf(await scene.target.dryRun(order, makeWork()))
  successOf(await scene.target.apply(order, makeWork()))
  const watching = scene.target.watch(order, makeWork()).then(() => performance.now())
  let ready = 0
  while (!ready) {
    const status = (await scene.read(place, webPath))?.status as { availableReplicas?: number } | undefined
    if (status?.availableReplicas === 1) ready = performance.now()
    else await sleep(10)
  }
  expect((await watching) - ready).toBeLessThan(300)
})
