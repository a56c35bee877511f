import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Measure, Strategy } from '@taxiway/domain/plan/strategy.ts'
import { type Cluster, waitFor } from '@taxiway/kubernetes/cluster/call.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { listBeside } from '@taxiway/kubernetes/steps/beside-live.ts'
import { takeInCanary } from '@taxiway/kubernetes/steps/canary.ts'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { deployment, makeWork, service, successOf, type TestPlace } from '../../contracts/target.ts'
import { clusterScene, configMap, kubeconfig, servicePath, wait, webPath } from '../../world/cluster-scene.ts'
import { serving } from '../../world/images.ts'
import { type Polling, pollWeb } from '../../world/polling.ts'

const scene = clusterScene()
let two: string
let polling: Polling | undefined
type Canary = Extract<Strategy, { kind: 'canary' }>
beforeAll(async () => {
  two = await scene.images.publish(`canary-${process.pid}`, serving('two'))
})
afterEach(() => polling?.stop())

/** Stops to answer only after traffic has stopped to come. */
const gentle = { lifecycle: { preStop: { exec: { command: ['sleep', '2'] } } } }
const web = (replicas: number | undefined, container: object = {}) =>
  deployment(
    { ...gentle, ...container },
    { replicas },
    {
      terminationGracePeriodSeconds: 5,
    },
  )
/** Another Deployment, which no Service sends to. */
function named(name: string, replicas: number) {
  const { spec, ...object } = web(replicas)
  const [metadata, labels] = [{ name }, { app: name }]
  const template = { ...(spec as { template: object }).template, metadata: { labels } }
  return { ...object, metadata, spec: { ...(spec as object), selector: { matchLabels: labels }, template } }
}
const canary = (
  order: ReleaseOrder,
  steps: [weight: number, pauseMs: number][],
  analysis: Measure[] = [],
): ReleaseOrder => ({
  ...order,
  strategy: {
    kind: 'canary',
    steps: steps.map(([weight, pauseMs]) => ({ weight, pauseMs })),
    analysis,
    timeoutMs: 60_000,
  },
})
const http = (path: string, success = 100): Measure => ({ kind: 'http', path, success })
async function podsOf(place: TestPlace): Promise<{ fresh: number; old: number }> {
  const pods = (await scene.read(place, '/api/v1/namespaces/*/pods')) as unknown as { items: KubeObject[] }
  const live = pods.items.filter(
    ({ metadata, status }) =>
      !metadata.deletionTimestamp &&
      (status as { conditions?: { type: string; status: string }[] }).conditions?.some(
        (one) => one.type === 'Ready' && one.status === 'True',
      ),
  )
  const fresh = live.filter(({ metadata }) => metadata.labels?.['taxiway.dev/beside'] === 'canary').length
  return { fresh, old: live.length - fresh }
}
const besideNames = async (order: ReleaseOrder) =>
  successOf(await listBeside(scene.cluster, { ...order, generation: 1e9 }, wait())).map(({ metadata }) => metadata.name)
const hasService = async (place: TestPlace) => (await scene.read(place, servicePath)) !== undefined

/** The fewest ready pods that there were at any moment until it is stopped. */
function leastReady(place: TestPlace) {
  let [over, least] = [false, Number.POSITIVE_INFINITY]
  const looking = (async () => {
    while (!over) {
      const { fresh, old } = await podsOf(place)
      least = Math.min(least, fresh + old)
    }
  })()
  return {
    async stop() {
      over = true
      await looking
      return least
    },
  }
}

/** The first version, live, with somebody who asks it all the time. */
async function begin(name: string, objects = [web(4), service()]) {
  const place = scene.open(name)
  const first = place.order(scene.good, objects)
  expect(await scene.roll(first, 60_000)).toMatchObject({ healthy: true })
  expect(await hasService(place)).toBe(true)
  polling = await pollWeb(place.namespace, kubeconfig().kubeconfig)
  return { place, first, polling }
}

test('new pods take over by steps, no request fails, and nothing is left beside', async () => {
  const { place, polling } = await begin('canary-good')
  const order = canary(
    place.order(two, [web(4), service()]),
    [
      [25, 3_000],
      [50, 3_000],
    ],
    [http('/')],
  )
  successOf(await scene.target.dryRun(order, makeWork()))
  const told: string[] = []
  const counts: Record<string, Promise<{ fresh: number; old: number }>> = {}
  const work = makeWork(120_000)
  const ready = leastReady(place)
  const say = (line: string) => {
    work.say(line)
    // At the begin of each pause.
    const weight = /^canary (\d+) %, 0 s of 3 s$/.exec(line)?.[1]
    if (weight) counts[weight] = podsOf(place)
  }
  const verdict = successOf(
    await scene.target.advance(order, { ...work, say, tell: (progress) => void told.push(progress) }),
  )
  expect(verdict).toEqual({ healthy: true, ready: 'canary at 50 %' })
  expect(told).toEqual(['canary 25 %', 'canary 50 %'])
  expect(await counts['25']).toEqual({ fresh: 1, old: 3 })
  expect(await counts['50']).toEqual({ fresh: 2, old: 2 })
  expect([...new Set(polling.answers)].sort()).toEqual(['one', 'two'])
  successOf(await scene.target.apply(order, makeWork()))
  expect(successOf(await scene.target.watch(order, makeWork(60_000)))).toEqual({ healthy: true, ready: 'web 4/4' })
  successOf(await scene.target.prune(order, makeWork()))
  expect(await besideNames(order)).toEqual([])
  expect(await ready.stop()).toBe(4)
  await polling.stop()
  expect(polling.failed).toEqual([])
})

test('a measure that fails takes the new pods away, and the old ones serve as they did', async () => {
  const settings = (text: string) => configMap('settings', { text })
  const env = [{ name: 'TEXT', valueFrom: { configMapKeyRef: { name: 'settings', key: 'text' } } }]
  const { place, first, polling } = await begin('canary-bad', [settings('one'), web(undefined, { env }), service()])
  // How many there are is said by hand: the manifest leaves it open.
  await scaleByHand(place, 4)
  const before = await scene.read(place, webPath)
  const objects = [settings('two'), web(undefined, { env }), service(81)]
  const order = canary(place.order(two, objects), [[25, 20_000]], [http('/missing', 99)])
  successOf(await scene.target.dryRun(order, makeWork()))
  const verdict = successOf(await scene.target.advance(order, makeWork(120_000)))
  expect(verdict).toEqual({
    healthy: false,
    detail: 'web: canary at 25 %: 0 % of answers were good, 99 wanted; the last bad one was 404',
  })
  // Old pods and their Services see nothing of the new release; the new ones have their own copy.
  expect(await scene.read(place, '/api/v1/namespaces/*/configmaps/settings')).toMatchObject({ data: { text: 'one' } })
  expect(await scene.read(place, '/api/v1/namespaces/*/configmaps/settings-canary')).toMatchObject({
    data: { text: 'two' },
  })
  expect(await scene.read(place, servicePath)).toMatchObject({ spec: { ports: [{ port: 80 }] } })
  const generation = place.nextGeneration()
  const restored = successOf(
    await scene.target.restore({ failed: order, previous: first, generation }, makeWork(60_000)),
  )
  expect(restored).toEqual({ complete: true, detail: `rolled back to ${first.sha.slice(0, 7)}` })
  const after = await scene.read(place, webPath)
  expect(after?.spec).toEqual(before?.spec)
  expect(await besideNames(order)).toEqual([])
  expect(await scene.read(place, '/api/v1/namespaces/*/configmaps/settings-canary')).toBeUndefined()
  await polling.stop()
  expect(polling.failed).toEqual([])
})

test('what a canary left when its deployer died is taken away by the next release, and by nobody older after that', async () => {
  const { place, first, polling } = await begin('canary-left', [web(undefined), service()])
  // How many there are is said by hand: the manifest leaves it open.
  await scaleByHand(place, 4)
  const left = canary(place.order(two, [web(undefined), service()]), [[50, 60_000]])
  const stop = new AbortController()
  const killed = scene.target.advance(left, {
    ...makeWork(120_000, stop.signal),
    say: (line) => line.startsWith('canary 50 %, 0 s') && stop.abort(new Error('killed')),
  })
  await expect(killed).rejects.toThrow('killed')
  expect(await podsOf(place)).toEqual({ fresh: 2, old: 2 })
  // The next has no steps, and its manifest says nothing of replicas either.
  const next = place.order(await scene.images.publish(`next-${process.pid}`, serving('next')), [
    web(undefined),
    service(),
  ])
  successOf(await scene.target.apply(next, makeWork()))
  expect(successOf(await scene.target.watch(next, makeWork(60_000)))).toEqual({ healthy: true, ready: 'web 4/4' })
  successOf(await scene.target.prune(next, makeWork()))
  await expect.poll(() => podsOf(place), { timeout: 30_000 }).toEqual({ fresh: 0, old: 4 })
  const late = await scene.target.advance(left, makeWork(20_000))
  expect(late.ok ? 'advanced' : late.reason.code).toBe('stale_generation')
  expect(await podsOf(place)).toEqual({ fresh: 0, old: 4 })
  expect(await besideNames(first)).toEqual([])
  await polling.stop()
  expect(polling.failed).toEqual([])
})

test('a canary meets one that was left: the version before is whole again first', async () => {
  const { place, polling } = await begin('canary-twice')
  const left = canary(place.order(two, [web(4), service()]), [[50, 60_000]])
  const stop = new AbortController()
  const killed = scene.target.advance(left, {
    ...makeWork(120_000, stop.signal),
    say: (line) => line.startsWith('canary 50 %, 0 s') && stop.abort(new Error('killed')),
  })
  await expect(killed).rejects.toThrow('killed')
  const env = [{ name: 'NEXT', value: '1' }]
  const next = canary(place.order(scene.good, [web(4, { env }), service()]), [[25, 1_000]])
  const work = makeWork(120_000)
  expect(successOf(await scene.target.advance(next, work))).toMatchObject({ healthy: true })
  expect(work.lines).toContain('Deployment/web-canary removed, an unfinished release had left it')
  expect(work.lines).toContain('canary 25 %: web 1 new, 3 old')
  expect(await podsOf(place)).toEqual({ fresh: 1, old: 3 })
  // Nobody has a record of the version before: then only what stands beside goes.
  const restoring = { failed: next, previous: undefined, generation: place.nextGeneration() }
  expect(successOf(await scene.target.restore(restoring, makeWork(60_000)))).toEqual({
    complete: true,
    detail: 'the version before was left as it was',
  })
  await expect.poll(() => podsOf(place), { timeout: 30_000 }).toEqual({ fresh: 0, old: 4 })
  await polling.stop()
  expect(polling.failed).toEqual([])
})

test('an older canary that was frozen before it shrinks the old pods does not shrink them after a newer one came', async () => {
  const { place } = await begin('canary-frozen')
  const older = canary(place.order(two, [web(4), service()]), [[50, 1_000]])
  const newer = place.order(scene.good, [web(4), service()])
  const slow: Cluster = {
    ...scene.cluster,
    async call(call, callWait) {
      // The moment before the write that takes old pods away.
      const isShrink = call.method === 'PATCH' && JSON.stringify(call.body ?? {}).includes('scaled-by')
      if (isShrink) successOf(await scene.target.apply(newer, makeWork()))
      return scene.cluster.call(call, callWait)
    },
  }
  const ground = { strategy: older.strategy as Canary, allowedOrigins: [], tell: () => {} }
  const outcome = await takeInCanary(slow, older, ground, waitFor(60_000, makeWork()))
  expect(outcome.ok ? 'advanced' : outcome.reason.code).toBe('stale_generation')
  expect((await scene.read(place, webPath))?.spec).toMatchObject({ replicas: 4 })
})

test('a Deployment of which nothing changes keeps its pods, also when all do', async () => {
  const extra = named('extra', 1)
  const { place } = await begin('canary-same', [web(1), extra, service()])
  const uidOf = async (name: string) => {
    const pods = (await scene.read(place, '/api/v1/namespaces/*/pods')) as unknown as { items: KubeObject[] }
    return pods.items.filter(({ metadata }) => metadata.labels?.app === name).map(({ metadata }) => metadata.uid)
  }
  const before = [await uidOf('web'), await uidOf('extra')]
  const same = canary(place.order(scene.good, [web(1), extra, service()]), [[50, 60_000]])
  successOf(await scene.target.dryRun(same, makeWork()))
  expect(successOf(await scene.target.advance(same, makeWork()))).toMatchObject({ healthy: true })
  successOf(await scene.target.apply(same, makeWork()))
  expect(successOf(await scene.target.watch(same, makeWork()))).toMatchObject({ healthy: true })
  expect([await uidOf('web'), await uidOf('extra')]).toEqual(before)
  const env = [{ name: 'NEW', value: '1' }]
  const order = canary(place.order(scene.good, [web(1, { env }), extra, service()]), [[50, 500]])
  successOf(await scene.target.dryRun(order, makeWork()))
  const work = makeWork(60_000)
  expect(successOf(await scene.target.advance(order, work))).toMatchObject({ healthy: true })
  expect(work.lines).toContain('canary 50 %: web 1 new, 1 old')
  expect(await uidOf('extra')).toEqual(before[1])
})

test('a Deployment that an autoscaler scales keeps its pods, and one that is new comes whole at the first step', async () => {
  const scaler = {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'web' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      minReplicas: 2,
      maxReplicas: 4,
    },
  }
  const { place } = await begin('canary-scaled', [web(2), service(), scaler])
  const extra = named('extra', 2)
  const objects = [web(2), extra, service(), scaler]
  const steep = canary(place.order(two, objects), [[60, 1_000]])
  expect(await scene.target.dryRun(steep, makeWork())).toMatchObject({ reason: { code: 'manifest_unsupported' } })
  const order = canary(place.order(two, objects), [[50, 1_000]])
  successOf(await scene.target.dryRun(order, makeWork()))
  const work = makeWork(120_000)
  expect(successOf(await scene.target.advance(order, work))).toMatchObject({ healthy: true })
  expect(work.lines).toContain('canary 50 %: web 2 new, 2 old, extra 2 new, 0 old')
  expect(await podsOf(place)).toEqual({ fresh: 4, old: 2 })
})

async function scaleByHand(place: TestPlace, replicas: number): Promise<void> {
  const call = {
    method: 'PATCH',
    path: webPath.replace('*', place.namespace),
    body: { spec: { replicas } },
    contentType: 'application/merge-patch+json',
  } as const
  successOf(await scene.cluster.call(call, wait()))
  await expect.poll(() => podsOf(place), { timeout: 30_000 }).toEqual({ fresh: 0, old: replicas })
}
