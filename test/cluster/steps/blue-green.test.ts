import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { Measure } from '@taxiway/domain/plan/strategy.ts'
import { listBeside } from '@taxiway/kubernetes/steps/beside-live.ts'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { deployment, makeWork, service, successOf, type TestPlace } from '../../contracts/target.ts'
import { clusterScene, kubeconfig, servicePath, wait, webPath } from '../../world/cluster-scene.ts'
import { serving } from '../../world/images.ts'
import { type Polling, pollWeb } from '../../world/polling.ts'

const scene = clusterScene()
let two: string
let polling: Polling | undefined
beforeAll(async () => {
  two = await scene.images.publish(`green-${process.pid}`, serving('two'))
})
afterEach(() => polling?.stop())

/** Stops to answer only after traffic has stopped to come. */
const gentle = { lifecycle: { preStop: { exec: { command: ['sleep', '2'] } } } }
const web = () => deployment(gentle, { replicas: 2 }, { terminationGracePeriodSeconds: 5 })
const http = (path: string): Measure => ({ kind: 'http', path, success: 100 })
const blueGreen = (order: ReleaseOrder, pauseMs: number, analysis: Measure[] = []): ReleaseOrder => ({
  ...order,
  strategy: { kind: 'blue_green', pauseMs, analysis, timeoutMs: 60_000 },
})
const besideNames = async (order: ReleaseOrder) =>
  successOf(await listBeside(scene.cluster, { ...order, generation: 1e9 }, wait())).map(({ metadata }) => metadata.name)
const selectorOf = async (place: TestPlace) =>
  ((await scene.read(place, servicePath))?.spec as { selector: Record<string, string> } | undefined)?.selector ?? {}

async function begin(name: string) {
  const place = scene.open(name)
  const first = place.order(scene.good, [web(), service()])
  expect(await scene.roll(first, 60_000)).toMatchObject({ healthy: true })
  polling = await pollWeb(place.namespace, kubeconfig().kubeconfig)
  return { place, first, polling }
}
/** Apply, watch and prune, as they come after the switch. */
async function finish(order: ReleaseOrder) {
  successOf(await scene.target.apply(order, makeWork()))
  expect(successOf(await scene.target.watch(order, makeWork(60_000)))).toMatchObject({ healthy: true })
  successOf(await scene.target.prune(order, makeWork()))
}

test('the new version takes over at once, no request fails, and nothing is left beside', async () => {
  const { place, polling } = await begin('green-good')
  const order = blueGreen(place.order(two, [web(), service()]), 3_000, [http('/')])
  successOf(await scene.target.dryRun(order, makeWork()))
  const work = makeWork(120_000)
  let whileMeasured: Promise<Record<string, string>> | undefined
  const say = (line: string) => {
    work.say(line)
    if (line === 'blue-green, 0 s of 3 s') whileMeasured = selectorOf(place)
  }
  expect(successOf(await scene.target.advance(order, { ...work, say }))).toEqual({
    healthy: true,
    ready: 'the new version serves',
  })
  expect(Object.keys((await whileMeasured) ?? {}).sort()).toEqual(['app', 'pod-template-hash'])
  expect(await selectorOf(place)).toEqual({ app: 'web', 'taxiway.dev/beside': 'green' })
  // The old one is still there, and gets nothing.
  expect(await scene.read(place, webPath)).toMatchObject({ status: { availableReplicas: 2 } })
  await finish(order)
  expect(await selectorOf(place)).toEqual({ app: 'web' })
  expect(await besideNames(order)).toEqual([])
  await polling.stop()
  expect(polling.failed).toEqual([])
  const { answers } = polling
  expect([answers[0], answers.at(-1)]).toEqual(['one', 'two'])
  // Once the new one has answered, the old one does no more.
  expect(answers.lastIndexOf('one')).toBe(answers.indexOf('two') - 1)
})

test('what fails before the switch leaves everything as it was, and never gets a request', async () => {
  const { place, first, polling } = await begin('green-bad')
  const before = await scene.read(place, webPath)
  const order = blueGreen(place.order(two, [web(), service(81)]), 20_000, [http('/missing')])
  successOf(await scene.target.dryRun(order, makeWork()))
  expect(successOf(await scene.target.advance(order, makeWork(120_000)))).toEqual({
    healthy: false,
    detail: 'web: blue-green: 0 % of answers were good, 100 wanted; the last bad one was 404',
  })
  const generation = place.nextGeneration()
  const restored = await scene.target.restore({ failed: order, previous: first, generation }, makeWork(60_000))
  expect(successOf(restored)).toEqual({ complete: true, detail: `rolled back to ${first.sha.slice(0, 7)}` })
  expect((await scene.read(place, webPath))?.spec).toEqual(before?.spec)
  expect(await scene.read(place, servicePath)).toMatchObject({
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  })
  expect(await selectorOf(place)).toEqual({ app: 'web' })
  expect(await besideNames(order)).toEqual([])
  await polling.stop()
  expect(polling.failed).toEqual([])
  expect(new Set(polling.answers)).toEqual(new Set(['one']))
})

test('whoever goes on after the switch does not measure again, and a newer plain release takes over from there', async () => {
  const { place, polling } = await begin('green-cut')
  const order = blueGreen(place.order(two, [web(), service()]), 1_000)
  expect(successOf(await scene.target.advance(order, makeWork(120_000)))).toMatchObject({ healthy: true })
  const again = { ...order, generation: place.nextGeneration() }
  const work = makeWork(120_000)
  expect(successOf(await scene.target.advance(again, work))).toMatchObject({ healthy: true })
  expect(work.lines.filter((line) => / s of /.test(line))).toEqual([])
  const plain = place.order(scene.good, [web(), service()])
  await finish(plain)
  expect(await selectorOf(place)).toEqual({ app: 'web' })
  expect(await besideNames(order)).toEqual([])
  await polling.stop()
  expect(polling.failed).toEqual([])
})

test('a newer release meets one that was left before its switch, and lets it get no request', async () => {
  const { place, polling } = await begin('green-left')
  const left = blueGreen(place.order(two, [web(), service()]), 60_000)
  const stop = new AbortController()
  const advancing = scene.target.advance(left, {
    ...makeWork(120_000, stop.signal),
    say: (line) => line.startsWith('blue-green, 0 s') && stop.abort(new Error('killed')),
  })
  await expect(advancing).rejects.toThrow('killed')
  expect(Object.keys(await selectorOf(place))).toContain('pod-template-hash')
  const three = place.order(await scene.images.publish(`third-${process.pid}`, serving('three')), [web(), service()])
  const next = blueGreen(three, 1_000)
  expect(successOf(await scene.target.advance(next, makeWork(120_000)))).toMatchObject({ healthy: true })
  await finish(next)
  expect(await selectorOf(place)).toEqual({ app: 'web' })
  expect(await besideNames(next)).toEqual([])
  // The one that was left comes back to life too late.
  const late = await scene.target.advance(left, makeWork(20_000))
  expect(late.ok ? 'advanced' : late.reason.code).toBe('stale_generation')
  await polling.stop()
  expect(polling.failed).toEqual([])
  expect(new Set(polling.answers)).toEqual(new Set(['one', 'three']))
})
