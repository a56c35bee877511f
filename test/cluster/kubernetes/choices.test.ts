import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { expect, test } from 'vitest'
import { deployment, makeWork, service, type TestPlace } from '../../contracts/target.ts'
import { clusterScene, configMap, failureOf, servicePath, webPath } from '../../world/cluster-scene.ts'

const scene = clusterScene()
const specOf = async (place: TestPlace) => ((await scene.read(place, webPath)) as any).spec
const stopped = { replicas: 0 }
/** Applied twice: what the first write named is still ours, what the second left out is nobody's. */
async function begin(place: TestPlace, ...objects: RenderedObject[]) {
  for (const order of [place.order(scene.good, objects), place.order(scene.good, objects)]) await scene.roll(order)
}

test.concurrent('the strategy can be changed to another, and back', async () => {
  const place = scene.open('strategy')
  await begin(place, deployment({}, stopped))
  expect((await specOf(place)).strategy.rollingUpdate).toBeDefined()
  const recreate = { ...stopped, strategy: { type: 'Recreate' } }
  expect(await scene.roll(place.order(scene.good, [deployment({}, recreate)]))).toMatchObject({ healthy: true })
  expect((await specOf(place)).strategy).toEqual({ type: 'Recreate' })
  expect(await scene.roll(place.order(scene.good, [deployment({}, stopped)]))).toMatchObject({ healthy: true })
  expect((await specOf(place)).strategy).toMatchObject({ type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%' } })
})

test.concurrent('a probe, a volume and the source of a variable can be changed to another', async () => {
  const place = scene.open('choice')
  const pod = (volume: object) => ({ volumes: [{ name: 'v', ...volume }] })
  const settings = configMap('settings', { a: 'b' })
  const env = (one: object) => ({ env: [{ name: 'X', ...one }] })
  const first = { ...env({ valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }) }
  await begin(place, settings, deployment(first, stopped, pod({ secret: { secretName: 's' } })))
  const second = { ...env({ value: 'x' }), readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } }
  const third = { ...env({ value: 'x' }), readinessProbe: { exec: { command: ['true'] }, periodSeconds: 1 } }
  for (const [container, volume] of [
    [second, { configMap: { name: 'settings' } }],
    [third, { emptyDir: {} }],
    [first, { secret: { secretName: 's' } }],
  ] as const) {
    const order = place.order(scene.good, [settings, deployment(container, stopped, pod(volume))])
    expect(await scene.roll(order)).toMatchObject({ healthy: true })
    const { containers, volumes } = (await specOf(place)).template.spec
    const handlers = ['httpGet', 'tcpSocket', 'exec'].filter((one) => containers[0].readinessProbe[one])
    expect([handlers.length, Object.keys(volumes[0]).length, Object.keys(containers[0].env[0]).length]).toEqual([
      1, 2, 2,
    ])
  }
})

test.concurrent('lists keep the order of the manifest', async () => {
  const place = scene.open('order')
  const inits = (...names: string[]) => ({
    initContainers: names.map((name) => ({ name, image: 'web', command: ['true'] })),
  })
  await begin(place, deployment({}, stopped, inits('migrate')))
  await scene.roll(place.order(scene.good, [deployment({}, stopped, inits('wait-for-db', 'migrate'))]))
  const names = (await specOf(place)).template.spec.initContainers.map(({ name }: { name: string }) => name)
  expect(names).toEqual(['wait-for-db', 'migrate'])
})

test.concurrent('what cannot be changed is told with the way out, and nothing is changed', async () => {
  const place = scene.open('immutable')
  await begin(place, deployment({}, stopped), service())
  const before = (await scene.read(place, servicePath))?.metadata.resourceVersion
  const other = deployment({}, { ...stopped, selector: { matchLabels: { app: 'other' } } })
  ;(other as any).spec.template.metadata.labels = { app: 'other' }
  const refused = async (...objects: RenderedObject[]) =>
    failureOf(await scene.target.dryRun(place.order(scene.good, objects), makeWork()))?.message
  expect(await refused(other)).toMatch(
    /^Deployment\/web: spec\.selector can't be changed on a Deployment that exists\. /,
  )
  const headless = { ...service(), spec: { ...(service().spec as object), clusterIP: 'None' } }
  expect(await refused(headless)).toMatch(
    /^Service\/web: spec\.clusterIPs? can't be changed on a Service that exists\. /,
  )
  expect((await scene.read(place, servicePath))?.metadata.resourceVersion).toBe(before)
})
