import { diffObjects } from '@taxiway/domain/environment/diff.ts'
import type { FoundObject, RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { expect, test } from 'vitest'
import { deployment, makeWork, service, successOf, type TestPlace } from '../../contracts/target.ts'
import { clusterScene, configMap, failureOf, servicePath, wait, webPath } from '../../world/cluster-scene.ts'

const scene = clusterScene()
/** Pods as the manifest says, and what others made is taken over. */
const adopting = () => ({ adopt: [] as string[], pods: 'as_written' as const })
const mapPath = (name: string) => `/api/v1/namespaces/*/configmaps/${name}`
const podsOf = async (place: TestPlace) =>
  ((await scene.read(place, '/api/v1/namespaces/*/pods')) as unknown as { items: KubeObject[] }).items
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .map(({ metadata }) => metadata.uid)

/** Makes the place's namespace. */
async function made(name: string): Promise<TestPlace> {
  const place = scene.open(name)
  successOf(await scene.target.dryRun(place.order(scene.good, [configMap('x', {})]), makeWork()))
  return place
}

/** What `kubectl apply` does for an object that is not there. */
async function kubectlApply(place: TestPlace, object: RenderedObject, path: string): Promise<void> {
  const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': `${JSON.stringify(object)}\n` }
  const body = { ...object, metadata: { ...object.metadata, annotations } }
  await write('POST', place, path.replace(/\/[^/]+$/, ''), 'kubectl-client-side-apply', body)
}

async function write(method: 'POST' | 'PATCH', place: TestPlace, path: string, fieldManager: string, body: object) {
  const contentType = method === 'POST' ? {} : { contentType: 'application/apply-patch+yaml' }
  const call = { method, path: path.replace('*', place.namespace), query: { fieldManager }, body, ...contentType }
  expect(successOf(await scene.cluster.call(call, wait())).status).toBeLessThan(300)
}
const managers = (object: KubeObject | undefined) =>
  (object?.metadata.managedFields ?? []).map(({ manager }) => manager)
const find = async (order: Parameters<NonNullable<typeof scene.target.found>>[0]): Promise<FoundObject[]> =>
  successOf((await scene.target.found?.(order, makeWork())) ?? { ok: true, value: [] })

test('what kubectl applied goes on in the same pods, and what the manifest has no more is gone', async () => {
  const place = await made('adopt-kubectl')
  const named = deployment({ image: scene.good })
  await kubectlApply(place, named, webPath)
  await kubectlApply(place, service(), servicePath)
  await kubectlApply(place, configMap('settings', { kept: '1', dropped: '1' }), mapPath('settings'))
  await expect
    .poll(async () => (await scene.read(place, webPath))?.status, { timeout: 20_000 })
    .toMatchObject({
      readyReplicas: 1,
    })
  const before = await podsOf(place)

  const objects = [configMap('settings', { kept: '2' }), deployment(), service()]
  const refused = failureOf(await scene.target.dryRun(place.order(scene.good, objects), makeWork()))
  expect(refused).toMatchObject({ code: 'manifest_conflict' })
  expect(refused?.message).toContain('"taxiway adopt REPO ENVIRONMENT RUN"')

  const order = place.order(scene.good, objects, adopting())
  const found = await find(order)
  expect(found.map(({ by }) => by)).toEqual(Array(3).fill('kubectl-client-side-apply'))
  // Only what changes, and none of what the server has filled in.
  const diff = diffObjects({ objects: found.map(({ shown }) => shown) }, order)
  const fields = diff.objects.map(({ object, fields }) => [
    object,
    fields.map(({ path }) => path).filter((path) => !path.startsWith('metadata.labels')),
  ])
  expect(Object.fromEntries(fields)).toEqual({
    'ConfigMap/settings': ['data.dropped', 'data.kept'],
    'Deployment/web': [],
    'Service/web': [],
  })

  expect(await scene.roll(order)).toMatchObject({ healthy: true })
  expect(await podsOf(place)).toEqual(before)
  const settings = (await scene.read(place, mapPath('settings'))) as KubeObject & { data: object }
  expect(settings.data).toEqual({ kept: '2' })
  expect(Object.keys(settings.metadata.annotations ?? {}).join()).not.toContain('last-applied')
  expect(managers(settings)).toEqual(['taxiway'])
  expect(managers(await scene.read(place, webPath))).not.toContain('kubectl-client-side-apply')

  // The way back: to what stood there, in the same pods, with what the release dropped.
  const bad = place.order(scene.images.missing('web'), objects, adopting())
  expect(await scene.roll(bad)).toMatchObject({ healthy: false })
  const was = { ...order, generation: 0, sha: '', digests: [], objects: found.map(({ object }) => object) }
  const restoring = { failed: bad, previous: was, generation: place.nextGeneration() }
  expect(successOf(await scene.target.restore(restoring, makeWork()))).toEqual({
    complete: true,
    detail: 'rolled back to what stood there before it was adopted',
  })
  expect(await podsOf(place)).toEqual(before)
  expect(((await scene.read(place, mapPath('settings'))) as KubeObject & { data: object }).data).toEqual({
    kept: '1',
    dropped: '1',
  })
})

test('what Helm, Argo CD, Flux or a person wrote is handed over as well; what runs in the cluster wrote stays', async () => {
  const place = await made('adopt-others')
  const path = mapPath('one')
  const helm = configMap('one', { a: '1', b: '1' })
  helm.metadata.labels = { 'app.kubernetes.io/managed-by': 'Helm' }
  helm.metadata.annotations = { 'meta.helm.sh/release-name': 'shop', 'meta.helm.sh/release-namespace': 'x' }
  await write('POST', place, path.replace(/\/[^/]+$/, ''), 'helm', helm)
  await write('PATCH', place, path, 'kustomize-controller', configMap('one', { flux: '1' }))
  await write('PATCH', place, path, 'argocd-controller', configMap('one', { argo: '1' }))
  await write('PATCH', place, path, 'kubectl-edit', configMap('one', { hand: '1' }))
  await write('PATCH', place, path, 'some-operator', configMap('one', { operator: '1' }))
  const order = place.order(scene.good, [configMap('one', { a: '2' })], adopting())
  expect(await find(order)).toMatchObject([
    { object: { data: { a: '1', b: '1', flux: '1', argo: '1', hand: '1' } }, keptBy: 'Helm release shop' },
  ])
  successOf(await scene.target.dryRun(order, makeWork()))
  successOf(await scene.target.apply(order, makeWork()))
  const live = (await scene.read(place, path)) as KubeObject & { data: object }
  expect(live.data).toEqual({ a: '2', operator: '1' })
  expect(managers(live).sort()).toEqual(['some-operator', 'taxiway'])
  expect(JSON.stringify(live.metadata)).not.toMatch(/"(Helm|meta\.helm\.sh[^"]*)"/)
  expect(await find(order)).toEqual([])
})

test('a Job of others is not replaced, and what belongs to another environment is not adopted', async () => {
  const place = await made('adopt-not')
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'once' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: scene.good }] } } },
  }
  const path = '/apis/batch/v1/namespaces/*/jobs/once'
  await kubectlApply(place, job, path)
  const { uid } = (await scene.read(place, path))?.metadata ?? {}
  for (const act of ['dryRun', 'apply'] as const) {
    const reason = failureOf(await scene.target[act](place.order(scene.good, [job]), makeWork()))
    expect(reason).toMatchObject({ code: 'manifest_conflict' })
  }
  expect((await scene.read(place, path))?.metadata.uid).toBe(uid)
  const other = { ...place.order(scene.good, [configMap('x', {})]), repositoryId: 'repo_other' }
  await write('POST', place, mapPath('x').replace(/\/x$/, ''), 'taxiway', {
    ...configMap('x', {}),
    metadata: {
      name: 'x',
      labels: { 'taxiway.dev/repository': other.repositoryId, 'taxiway.dev/environment': 'staging' },
    },
  })
  const order = place.order(scene.good, [configMap('x', {})], adopting())
  expect(await find(order)).toMatchObject([{ owner: 'repo_other/staging' }])
  expect(failureOf(await scene.target.dryRun(order, makeWork()))?.message).toContain('repository repo_other')
  // Unless it is no more, and an admin wants it.
  const taken = { ...order, adopt: ['repo_other/staging'] }
  successOf(await scene.target.dryRun(taken, makeWork()))
  successOf(await scene.target.apply(taken, makeWork()))
  expect(await find(order)).toEqual([])
})
