import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { inWaves } from '@taxiway/domain/environment/waves.ts'
import { afterEach, expect, test } from 'vitest'
import { deployment, makeWork, service, successOf, type TestPlace } from '../../contracts/target.ts'
import { clusterScene, kubeconfig, servicePath, webPath } from '../../world/cluster-scene.ts'
import { serving } from '../../world/images.ts'
import { type Polling, pollWeb } from '../../world/polling.ts'

const scene = clusterScene()
let polling: Polling | undefined
afterEach(() => polling?.stop())

/** The program on a port of its own; it takes a moment to begin, and ends only when nobody asks it any more. */
const web = (text: string, port: number, version: string): RenderedObject => {
  const object = deployment(
    {
      command: ['sh', '-c', `sleep 1; ${serving(text).replace('8080', String(port))}`],
      ports: [{ containerPort: port }],
      readinessProbe: { httpGet: { path: '/healthz', port }, periodSeconds: 1 },
      lifecycle: { preStop: { exec: { command: ['sleep', '2'] } } },
    },
    { replicas: 2 },
    { terminationGracePeriodSeconds: 5 },
  )
  ;(object.spec as any).template.metadata.labels = { app: 'web', version }
  return object
}
const sendingTo = (targetPort: number, selector: object = { app: 'web' }): RenderedObject => ({
  ...service(),
  spec: { selector, ports: [{ port: 80, targetPort }] },
})
const aimOf = async (place: TestPlace) => {
  const { selector, ports } = ((await scene.read(place, servicePath)) as any).spec
  return { selector, targetPort: ports[0].targetPort }
}
const whole = async (place: TestPlace) => ((await scene.read(place, webPath)) as any).spec

test('a Service whose port changes is written when the new pods are ready: no request fails, and a bad one is never met', async () => {
  const place = scene.open('retarget')
  const first = place.order(scene.good, [web('one', 8080, '1'), sendingTo(8080)])
  expect(await scene.roll(first, 40_000)).toMatchObject({ healthy: true })
  polling = await pollWeb(place.namespace, kubeconfig().kubeconfig)
  // Another port and other labels at once, and the pods have a later turn than the Service.
  const late = web('two', 9090, '2')
  late.metadata.annotations = { 'taxiway.dev/wave': '1' }
  const next = place.order(scene.good, [late, sendingTo(9090, { app: 'web', version: '2' })])
  const waves = inWaves(scene.target)
  successOf(await waves.apply(next, makeWork()))
  expect(successOf(await waves.watch(next, makeWork(40_000)))).toMatchObject({ healthy: true })
  expect(await aimOf(place)).toEqual({ selector: { app: 'web', version: '2' }, targetPort: 9090 })
  const { minReadySeconds, strategy } = await whole(place)
  expect([minReadySeconds ?? 0, strategy.rollingUpdate.maxSurge]).toEqual([0, '25%'])
  const before = polling.answers.length
  const broken = web('three', 7070, '3')
  ;(broken.spec as any).template.spec.containers[0].command = ['sh', '-c', 'sleep 600']
  const bad = place.order(scene.good, [broken, sendingTo(7070)])
  expect(await scene.roll(bad, 8_000)).toMatchObject({ healthy: false })
  expect((await aimOf(place)).targetPort).toBe(9090)
  const restoring = { failed: bad, previous: next, generation: place.nextGeneration() }
  expect(successOf(await scene.target.restore(restoring, makeWork(40_000)))).toMatchObject({ complete: true })
  expect(await aimOf(place)).toEqual({ selector: { app: 'web', version: '2' }, targetPort: 9090 })
  await polling.stop()
  expect(polling.failed).toEqual([])
  expect(new Set(polling.answers.slice(0, before))).toEqual(new Set(['one', 'two']))
  expect(new Set(polling.answers.slice(before))).toEqual(new Set(['two']))
})
