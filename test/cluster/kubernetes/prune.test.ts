import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import { readInventory, writeInventory } from '@taxiway/kubernetes/inventory.ts'
import { expect, test } from 'vitest'
import { deployment, makeWork, successOf, type TestPlace } from '../../contracts/target.ts'
import { clusterScene, configMap, failureOf, wait } from '../../world/cluster-scene.ts'

const scene = clusterScene()
const maps = (...names: string[]) => names.map((name) => configMap(name, {}))

/** Which of the config maps are there. */
async function there(place: TestPlace, ...names: string[]): Promise<string[]> {
  const found = await Promise.all(names.map((name) => scene.read(place, `/api/v1/namespaces/*/configmaps/${name}`)))
  return names.filter((_, index) => found[index] !== undefined)
}
async function release(order: ReleaseOrder): Promise<ReleaseOrder> {
  expect(await scene.roll(order)).toMatchObject({ healthy: true })
  return order
}

test('more than half of all objects, and more than three, are never removed at once unless that is asked for', async () => {
  const place = scene.open('brake')
  await release(place.order(scene.good, [...maps('a', 'b', 'c', 'd', 'e'), deployment()]))
  const next = await release(place.order(scene.good, [...maps('e'), deployment()]))
  const reason = failureOf(await scene.target.prune(next, makeWork()))
  expect(reason).toMatchObject({ code: 'prune_held' })
  expect(reason?.message).toMatch(
    /^4 of 6 objects .*: ConfigMap\/a, ConfigMap\/b, ConfigMap\/c, ConfigMap\/d\. .*"prune: all"/,
  )
  expect(await there(place, 'a', 'b', 'c', 'd', 'e')).toEqual(['a', 'b', 'c', 'd', 'e'])
  // It is not forgotten: the next release is held as well.
  const later = await release(place.order(scene.good, [...maps('e'), deployment()]))
  expect(failureOf(await scene.target.prune(later, makeWork()))?.code).toBe('prune_held')
  successOf(await scene.target.prune(later, makeWork(), 'all'))
  expect(await there(place, 'a', 'b', 'c', 'd', 'e')).toEqual(['e'])
})

test('half of all objects, or three of them, are removed without a question', async () => {
  const place = scene.open('no-brake')
  await release(place.order(scene.good, [...maps('a', 'b', 'c', 'd', 'e', 'f', 'g'), deployment()]))
  const half = await release(place.order(scene.good, [...maps('e', 'f', 'g'), deployment()]))
  successOf(await scene.target.prune(half, makeWork()))
  expect(await there(place, 'a', 'b', 'c', 'd', 'e', 'f', 'g')).toEqual(['e', 'f', 'g'])
  const three = await release(place.order(scene.good, [deployment()]))
  successOf(await scene.target.prune(three, makeWork()))
  expect(await there(place, 'e', 'f', 'g')).toEqual([])
})

test('a rollback removes what only the failed release had, and not what an earlier one was kept from removing', async () => {
  const place = scene.open('brake-restore')
  await release(place.order(scene.good, [...maps('a', 'b', 'c', 'd'), deployment()]))
  const held = await release(place.order(scene.good, [deployment()]))
  expect(failureOf(await scene.target.prune(held, makeWork()))?.code).toBe('prune_held')
  const bad = place.order(scene.images.missing('web'), [...maps('new'), deployment()])
  expect(await scene.roll(bad)).toMatchObject({ healthy: false })
  const restoring = { failed: bad, previous: held, generation: place.nextGeneration() }
  expect(successOf(await scene.target.restore(restoring, makeWork()))).toMatchObject({ complete: true })
  expect(await there(place, 'a', 'b', 'c', 'd', 'new')).toEqual(['a', 'b', 'c', 'd'])
})

test('what a chart wants kept is left, and told', async () => {
  const place = scene.open('keep')
  const [kept, other] = maps('kept', 'other') as [ReleaseOrder['objects'][number], ReleaseOrder['objects'][number]]
  kept.metadata.annotations = { 'helm.sh/resource-policy': 'keep' }
  await release(place.order(scene.good, [kept, other, deployment()]))
  const next = await release(place.order(scene.good, [deployment()]))
  const lines: string[] = []
  successOf(await scene.target.prune(next, { ...makeWork(), say: (line) => void lines.push(line) }, 'all'))
  expect(await there(place, 'kept', 'other')).toEqual(['kept'])
  expect(lines).toContainEqual(expect.stringMatching(/^ConfigMap\/kept is not in this release, and left: helm\.sh/))
})

test('a volume claim is never removed, not even if all shall be', async () => {
  const place = scene.open('brake-data')
  const first = await release(place.order(scene.good))
  const labels = first.objects[0]?.metadata.labels
  const spec = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }
  const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'data', labels }, spec }
  const path = `/api/v1/namespaces/${place.namespace}/persistentvolumeclaims`
  successOf(await scene.cluster.call({ method: 'POST', path, body: claim }, wait()))
  const known = successOf(await readInventory(scene.cluster, first, wait()))
  const named = [{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', name: 'data' }]
  successOf(await writeInventory(scene.cluster, first, known, wait(), named))
  const next = await release(place.order(scene.good, [deployment()]))
  successOf(await scene.target.prune(next, makeWork(), 'all'))
  expect(
    (await scene.read(place, '/api/v1/namespaces/*/persistentvolumeclaims/data'))?.metadata.deletionTimestamp,
  ).toBeUndefined()
  expect(successOf(await readInventory(scene.cluster, next, wait()))?.objects).toContainEqual(named[0])
})
