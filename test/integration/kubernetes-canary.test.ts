import type { Measure } from '@taxiway/domain/strategy.ts'
import { listBeside } from '@taxiway/kubernetes/beside-live.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { afterEach, beforeAll, expect, test } from 'vitest'
import type { ReleaseOrder } from '../../services/deployer/target.ts'
import { clusterScene, configMap, kubeconfig, servicePath, wait, webPath } from '../contracts/cluster-scene.ts'
import { serving } from '../contracts/images.ts'
import { type Polling, pollWeb } from '../contracts/polling.ts'
import { deployment, makeWork, service, successOf, type TestPlace } from '../contracts/target.ts'

const scene = clusterScene()
let two: string
let polling: Polling | undefined
beforeAll(async () => {
  two = await scene.images.publish(`canary-${process.pid}`, serving('two'))
})
afterEach(() => polling?.stop())

/** Stops to answer only after traffic has stopped to come. */
const gentle = { lifecycle: { preStop: { exec: { command: ['sleep', '2'] } } } }
const web = (replicas: number | undefined, container: object = {}) =>
  deployment({ ...gentle, ...container }, replicas === undefined ? {} : { replicas }, {
    terminationGracePeriodSeconds: 5,
  })
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
  expect([...polling.seen.keys()].sort()).toEqual(['one', 'two'])
  successOf(await scene.target.apply(order, makeWork()))
  expect(successOf(await scene.target.watch(order, makeWork(60_000)))).toEqual({ healthy: true, ready: 'web 4/4' })
  successOf(await scene.target.prune(order, makeWork()))
  expect(await besideNames(order)).toEqual([])
  await polling.stop()
  expect(polling.failed).toEqual([])
})

test('a measure that fails takes the new pods away, and the old ones serve as they did', async () => {
  const settings = (text: string) => configMap('settings', { text })
  const env = [{ name: 'TEXT', valueFrom: { configMapKeyRef: { name: 'settings', key: 'text' } } }]
  const { place, first, polling } = await begin('canary-bad', [settings('one'), web(undefined, { env }), service()])
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
