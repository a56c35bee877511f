import { setTimeout as sleep } from 'node:timers/promises'
import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { Cluster } from '@taxiway/kubernetes/cluster/call.ts'
import type { KubeObject, Pod } from '@taxiway/kubernetes/object.ts'
import { expect, test } from 'vitest'
import { nameByContent } from '../../../services/deployer/order/config-hash.ts'
import { makeKubernetesTarget } from '../../../services/deployer/target/kubernetes.ts'
import { deployment, makeWork, service, successOf, type TestPlace } from '../../contracts/target.ts'
import { clusterScene, configMap, wait } from '../../world/cluster-scene.ts'

const scene = clusterScene()

const named = (
  name: string,
  container: object = {},
  labels: Record<string, string> = { app: name },
): RenderedObject => {
  const object = deployment(container, { selector: { matchLabels: labels } })
  Object.assign((object.spec as { template: object }).template, { metadata: { labels } })
  return { ...object, metadata: { name } }
}
const stateful = (container: object = {}, replicas = 1): RenderedObject => {
  const { spec } = named('db', container)
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db' },
    spec: { ...(spec as object), serviceName: 'db', replicas },
  }
}
const must = <T>(value: T | undefined): T => value ?? expect.fail('missing')
const podsOf = async ({ namespace }: TestPlace): Promise<Pod[]> => {
  const call = { method: 'GET', path: `/api/v1/namespaces/${namespace}/pods` } as const
  return successOf(await scene.cluster.call<{ items: Pod[] }>(call, wait())).body.items
}
/** The uids of the pods by the label `app`, without those on their way out. */
const uidsIn = async (place: TestPlace) => {
  const pods = (await podsOf(place)).filter(({ metadata }) => !metadata.deletionTimestamp)
  return new Map(pods.map(({ metadata }) => [metadata.labels?.app, metadata.uid]))
}

test('one of twelve Deployments changes, and all other pods are those of before; when nothing changes, all are', async () => {
  const place = scene.open('one-of-twelve')
  const names = Array.from({ length: 12 }, (_, index) => `d${index}`)
  const objects = (level: string) => [
    stateful(),
    ...names.map((name) => named(name, name === 'd3' ? { env: [{ name: 'LEVEL', value: level }] } : {})),
  ]
  expect(await scene.roll(place.order(scene.good, objects('1')), 90_000)).toMatchObject({ healthy: true })
  const before = await uidsIn(place)
  expect(before.size).toBe(13)
  expect(await scene.roll(place.order(scene.good, objects('1')))).toMatchObject({ healthy: true })
  expect(await uidsIn(place)).toEqual(before)
  expect(await scene.roll(place.order(scene.good, objects('2')), 60_000)).toMatchObject({ healthy: true })
  const after = await uidsIn(place)
  expect(names.filter((name) => after.get(name) !== before.get(name))).toEqual(['d3'])
  expect(after.get('db')).toBe(before.get('db'))
})

test('a release in which nothing changes writes its claim and is not watched any longer', async () => {
  const place = scene.open('nothing-changes')
  const objects = [named('web'), stateful(), service()]
  await scene.roll(place.order(scene.good, objects))
  const writes: string[] = []
  const cluster: Cluster = {
    ...scene.cluster,
    call(call, callWait) {
      if (call.method !== 'GET' && !call.query?.dryRun)
        writes.push(`${call.method} ${call.path.replace(/.*namespaces./, '')}`)
      return scene.cluster.call(call, callWait)
    },
  }
  const target = makeKubernetesTarget({ revision: async () => 'one', connect: async () => cluster })
  const order = place.order(scene.good, objects)
  // The pods must have been ready for a whole second before.
  await sleep(2_000)
  successOf(await target.dryRun(order, makeWork()))
  const begin = performance.now()
  successOf(await target.apply(order, makeWork()))
  expect(successOf(await target.watch(order, makeWork()))).toMatchObject({ healthy: true })
  const work = makeWork(30_000)
  expect(successOf(await target.soak(order, 1_000, work))).toMatchObject({ healthy: true })
  expect(performance.now() - begin).toBeLessThan(2_000)
  expect(work.lines).toEqual(['it has stayed so already: nothing was started anew'])
  const claims = ['PATCH', 'PATCH', 'PATCH', 'PUT']
  expect(writes.map((write) => write.split(' ')[0]).sort()).toEqual(claims)
  expect(successOf(await target.live(order, makeWork()))).toMatchObject({ generation: order.generation })
})

test.concurrent('two Deployments whose pods have the same labels have their own pods each', async () => {
  const place = scene.open('same-labels')
  const other = await scene.images.publish('same-labels', 'sleep 600')
  const worker = named('worker', { image: other, readinessProbe: { exec: { command: ['true'] } } }, { app: 'shop' })
  const order = place.order(scene.good, [named('web', {}, { app: 'shop' }), worker])
  expect(await scene.roll(order)).toEqual({ healthy: true, ready: 'web 1/1, worker 1/1' })
})

test.concurrent('pods of a selector by expressions are known: in the soak, and when they crash', async () => {
  const place = scene.open('expressions')
  const selector = { matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }] }
  const always = { readinessProbe: { exec: { command: ['true'] }, periodSeconds: 1 } }
  const later = await scene.images.publish('expressions-later', 'sleep 4; exit 9')
  const soaked = place.order(later, [deployment(always, { selector })])
  expect(await scene.roll(soaked)).toMatchObject({ healthy: true })
  const lost = successOf(await scene.target.soak(soaked, 20_000, makeWork(30_000)))
  expect(!lost.healthy && lost.detail).toBe('web: did not stay healthy: exit 9')
  const bad = await scene.images.publish('expressions-crash', 'echo no config; exit 3')
  const crashed = await scene.roll(place.order(bad, [deployment({}, { selector })]), 40_000)
  expect(!crashed.healthy && crashed.detail).toBe('web: crash loop, exit 3: no config')
})

test.concurrent("a StatefulSet's broken pod of an older template is not in the way of the fix", async ({
  expect: within,
}) => {
  const place = scene.open('stuck-set')
  await scene.roll(place.order(scene.good, [stateful({}, 2)]), 40_000)
  const bad = place.order(scene.good, [stateful({ command: ['sleep', '600'] }, 2)])
  successOf(await scene.target.dryRun(bad, makeWork()))
  successOf(await scene.target.apply(bad, makeWork()))
  const isBroken = (pod: Pod) => (pod.spec.containers[0] as { command?: string[] }).command?.[0] === 'sleep'
  await within.poll(async () => (await podsOf(place)).some(isBroken), { timeout: 20_000 }).toBe(true)
  // The run of the bad release gives way; nobody takes it back.
  const fix = place.order(scene.good, [stateful({ env: [{ name: 'FIXED', value: '1' }] }, 2)])
  expect(await scene.roll(fix, 40_000)).toEqual({ healthy: true, ready: 'db 2/2' })
  expect((await podsOf(place)).some(isBroken)).toBe(false)
})

test('a ConfigMap named by its content rolls the pods that use it, and goes when none does', async () => {
  const place = scene.open('by-content')
  const objects = (level: string) =>
    nameByContent([
      configMap('settings', { LEVEL: level }),
      named('uses', { envFrom: [{ configMapRef: { name: 'settings' } }] }),
      named('other'),
    ])
  const contents = async () => {
    const call = { method: 'GET', path: `/api/v1/namespaces/${place.namespace}/configmaps` } as const
    const { body } = successOf(await scene.cluster.call<{ items: KubeObject[] }>(call, wait()))
    return body.items
      .filter(({ metadata }) => metadata.name.startsWith('settings'))
      .map(({ data }) => (data as { LEVEL: string }).LEVEL)
      .sort()
  }
  await scene.roll(place.order(scene.good, objects('1')))
  const before = await uidsIn(place)
  const next = place.order(scene.good, objects('2'))
  expect(await scene.roll(next)).toMatchObject({ healthy: true })
  const after = await uidsIn(place)
  expect([after.get('uses') === before.get('uses'), after.get('other') === before.get('other')]).toEqual([false, true])
  expect(await contents()).toEqual(['1', '2'])
  successOf(await scene.target.prune(next, makeWork()))
  expect(await contents()).toEqual(['2'])
  // As pods of an earlier template that are not replaced: what they use stays, and goes later.
  const held = place.order(scene.good, [named('other')])
  successOf(await scene.target.prune(held, makeWork()))
  expect(await contents()).toEqual(['2'])
})

test('a Service finds its pods by any label of the manifest, and those of another environment are told', async () => {
  const place = scene.open('crossing')
  const labels = { app: 'web', 'app.kubernetes.io/managed-by': 'team' }
  const web = named('web', {}, { app: 'web' })
  Object.assign((web.spec as { template: object }).template, { metadata: { labels } })
  const open = { ...service(), spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] } }
  const order = place.order(scene.good, [web, open])
  expect(await scene.roll(order)).toMatchObject({ healthy: true })
  const addressed = async () => {
    const endpoints = await scene.read(place, '/api/v1/namespaces/*/endpoints/web')
    return (endpoints?.subsets as { addresses?: object[] }[] | undefined)?.[0]?.addresses?.length
  }
  await expect.poll(addressed, { timeout: 10_000 }).toBe(1)
  expect(successOf(await must(scene.target.crossings)(order, makeWork()))).toEqual([])
  const other = { ...order, environment: 'production' }
  expect(successOf(await must(scene.target.crossings)(other, makeWork()))).toEqual([
    'Service/web of environment staging also selects pods of environment production',
    'Service/web also selects pods of environment staging',
  ])
})

test('the pods of a workload are listed by their owners, with the run whose template they have', async () => {
  const place = scene.open('state-of')
  const first = place.order(scene.good, [named('web', {}, { app: 'shop' }), named('worker', {}, { app: 'shop' })])
  await scene.roll(first)
  const next = place.order(scene.good, [named('web', {}, { app: 'shop' }), named('worker', {}, { app: 'shop' })])
  await scene.roll(next)
  const live = { order: next, generation: next.generation, byHand: {}, drift: 'report' as const }
  const { workloads } = successOf(await scene.target.state(live, makeWork()))
  expect(
    workloads.map(({ name, pods }) => [name, pods.length, pods[0]?.name.startsWith(name), pods[0]?.runId]),
  ).toEqual([
    ['web', 1, true, next.runId],
    ['worker', 1, true, next.runId],
  ])
})
