import { setTimeout as sleep } from 'node:timers/promises'
import type { ContainerView } from '@taxiway/docker/container/release-container.ts'
import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { expect, test } from 'vitest'
import { deployment, makeWork, service, successOf, type TestPlace } from '../../contracts/target.ts'
import { targetScene } from './target-scene.ts'

const { images, target, openPlace, containersOf, roll, release, address, visit } = targetScene()

/** A workload of its own name, with what is given of its container. */
function workload(name: string, container: object = {}, spec: object = {}): RenderedObject {
  const made = deployment({ name, ...container }, { selector: { matchLabels: { app: name } }, ...spec })
  made.metadata.name = name
  Object.assign((made.spec as { template: { metadata: object } }).template.metadata, { labels: { app: name } })
  return made
}
const serviceOf = (name: string): RenderedObject => ({
  ...service(),
  metadata: { name },
  spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
})
/** Workload -> ids of its containers. */
async function idsOf(place: TestPlace): Promise<Record<string, string[]>> {
  const found = Object.groupBy(await containersOf(place), ({ labels }) => labels['taxiway.step'] ?? '')
  const ids = (all: ContainerView[] = []) => all.map(({ id, startedAt }) => `${id} ${startedAt}`).sort()
  return Object.fromEntries(Object.entries(found).map(([name, all]) => [name, ids(all)]))
}

test('a release in which nothing changes is live at once, touches nothing, and is the newest', async () => {
  const place = openPlace('same')
  await release(place.order(images.one))
  const before = await idsOf(place)
  const again = place.order(images.one)
  await sleep(500)
  const begin = performance.now()
  await release(again)
  expect(successOf(await target.soak(again, 500, makeWork()))).toMatchObject({ healthy: true })
  expect(performance.now() - begin).toBeLessThan(2_000)
  expect(await idsOf(place)).toEqual(before)
  const { generation, runId } = again
  expect(successOf(await target.live(again, makeWork()))).toEqual({ generation, runId })
  expect(await visit(address(place))).toBe('one')
  const late = { ...again, generation: generation - 1 }
  expect(await target.apply(late, makeWork())).toMatchObject({ ok: false, reason: { code: 'stale_generation' } })
})

test('of five workloads those are made anew whose image, variables, config or command changed', async () => {
  const place = openPlace('some')
  const config = (text: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings' },
    data: { TEXT: text },
  })
  const objects = (text: string, more: object) => [
    config(text),
    workload('same'),
    workload('image', more),
    workload('config', { envFrom: [{ configMapRef: { name: 'settings' } }] }),
    workload('limits', { resources: { limits: { memory: text === 'a' ? '64Mi' : '65Mi' } } }),
    workload('probed', { readinessProbe: { tcpSocket: { port: 8080 }, failureThreshold: text === 'a' ? 3 : 4 } }),
  ]
  await release(place.order(images.one, objects('a', {})))
  const before = await idsOf(place)
  await release(place.order(images.one, objects('b', { image: images.two })))
  const after = await idsOf(place)
  expect(
    Object.keys(after)
      .filter((name) => after[name]?.[0] !== before[name]?.[0])
      .sort(),
  ).toEqual(['config', 'image', 'limits'])
  expect(Object.values(after).flat()).toHaveLength(5)
})

test('a changed secret reaches the containers that hold it, and no others', async () => {
  const place = openPlace('secret')
  const holding = workload('holding', {
    env: [{ name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'shop', key: 'password' } } }],
  })
  const rolled = async (password: string) => {
    const order = {
      ...place.order(images.one, [holding, workload('other')]),
      secrets: [{ name: 'shop', keys: ['password'] }],
    }
    const work = { ...makeWork(), secretValues: async () => ({ password }) }
    successOf(await target.apply(order, work))
    expect(successOf(await target.watch(order, work))).toMatchObject({ healthy: true })
    successOf(await target.prune(order, work))
    return idsOf(place)
  }
  const first = await rolled('one')
  expect(await rolled('one')).toEqual(first)
  const second = await rolled('two')
  expect(second.other).toEqual(first.other)
  expect(second.holding).not.toEqual(first.holding)
})

test('fewer replicas end the ones too many, and a failed release gives back what it added', async () => {
  const place = openPlace('fewer')
  const times = (replicas: number) => [workload('web', {}, { replicas }), serviceOf('web')]
  await release(place.order(images.one, times(3)))
  const three = (await idsOf(place)).web ?? []
  const good = place.order(images.one, times(2))
  await release(good)
  const two = (await idsOf(place)).web ?? []
  expect(two).toHaveLength(2)
  expect(three).toEqual(expect.arrayContaining(two))
  const bad = place.order(images.one, [...times(3), workload('broken', { image: images.crash })])
  expect(await roll(bad)).toMatchObject({ healthy: false })
  const restoring = { failed: bad, previous: good, generation: place.nextGeneration() }
  expect(successOf(await target.restore(restoring, makeWork()))).toMatchObject({ complete: true })
  expect(await idsOf(place)).toEqual({ web: two })
})

test('without pruning, workloads that are in no manifest any more go on, and replaced containers end all the same', async () => {
  const place = openPlace('none')
  const admin = [workload('admin'), serviceOf('admin')]
  const only = (image: string) => place.order(image, [workload('web', { image }), serviceOf('web')])
  await release(place.order(images.one, [workload('web'), serviceOf('web'), ...admin]))
  const before = await idsOf(place)
  const next = only(images.two)
  expect(await roll(next)).toMatchObject({ healthy: true })
  successOf(await target.prune(next, makeWork(), 'none'))
  const after = await idsOf(place)
  expect(after.admin).toEqual(before.admin)
  expect(after.web).toHaveLength(1)
  expect(after.web).not.toEqual(before.web)
  await release(only(images.two))
  expect(await idsOf(place)).toEqual({ web: after.web })
})
