import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { keys } from '@taxiway/store/redis/keys.ts'
import { openStore } from '@taxiway/store/store.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRedis } from '../../../deploy/local/redis.ts'
import { deployment, service, successOf } from '../../contracts/target.ts'
import { configMap, wait } from '../../world/cluster-scene.ts'
import { makeImages, serving } from '../../world/images.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { webManifests } from '../../world/web-manifests.ts'

const { DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env
let world: Awaited<ReturnType<typeof makeWorld>>
let cluster: Cluster
let redis: Awaited<ReturnType<typeof startRedis>>
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-moving-in-'))
  redis = await startRedis({ folder: join(folder, 'parts'), say: () => {} }, { fresh: true })
  world = await makeWorld({
    folder,
    target: 'kubernetes',
    environment: { REDIS_URL: redis.address, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG },
    name: `acme/moving-in-${process.pid}`,
    say: () => {},
  })
  cluster = connectCluster({ kubeconfig: KUBECONFIG ?? '' })
})
afterAll(async () => {
  cluster?.close()
  await world?.stop()
  await redis?.stop()
})

const over = (id: string) => world.taxiway.waitRun(id, isOver, 90_000)
const api = (method: string, path: string, body?: object) =>
  world.taxiway.call(method, `/repos/${world.repository.id}/environments/production${path}`, body)
const pathOf = (path: string) => path.replace('*', world.namespace)
async function write(method: 'POST' | 'PUT', path: string, body: object) {
  const call = { method, path: pathOf(path), query: { fieldManager: 'kubectl-client-side-apply' }, body }
  expect(successOf(await cluster.call(call, wait())).status).toBeLessThan(300)
}
async function read(path: string) {
  const { status, body } = successOf(
    await cluster.call<KubeObject & { data?: object; items: KubeObject[] }>(
      { method: 'GET', path: pathOf(path) },
      wait(),
    ),
  )
  return status === 404 ? undefined : body
}
const podsOf = async () =>
  (await read('/api/v1/namespaces/*/pods'))?.items
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .map(({ metadata }) => metadata.uid)
const settings = '/api/v1/namespaces/*/configmaps/settings'

const push = (version: string, command = '') =>
  world.push(
    {
      '.taxiway.yaml': `version: 1\nimages: { web: {} }\ndeploy: { production: { namespace: ${world.namespace}, timeout: 15s, soak: 0s } }\n`,
      'www/index.html': `version ${version}\n`,
      'k8s/web.yaml': `${webManifests.replace('image: web', `image: web${command}`)}---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { greeting: "hello from ${version}" }
`,
    },
    `Say version ${version}`,
  )

test('case 26: what stands there is shown, taken over by an admin, and is what a failing first release goes back to', async () => {
  const image = await makeImages().publish('before', serving('before'))
  await write('POST', '/api/v1/namespaces', { metadata: { name: world.namespace } })
  await write('POST', '/apis/apps/v1/namespaces/*/deployments', deployment({ image }))
  await write('POST', '/api/v1/namespaces/*/services', service())
  await write('POST', '/api/v1/namespaces/*/configmaps', configMap('settings', { old: '1' }))
  const before = await expect.poll(podsOf, { timeout: 20_000 }).toHaveLength(1).then(podsOf)

  const refused = await over((await push('1', '\n          command: [sleep, "1000"]')).runId)
  expect(refused).toMatchObject({ state: 'failed', reason: { code: 'manifest_conflict' } })
  expect(refused.reason.message).toContain('taxiway adopt')
  const { items } = (await world.taxiway.call('GET', `/runs/${refused.id}/diff`)).body
  expect(items[0]).toMatchObject({ found: 3 })
  expect(items[0].objects.find(({ object }: { object: string }) => object === 'ConfigMap/settings').fields).toEqual(
    expect.arrayContaining([
      { path: 'data.old', before: '1' },
      { path: 'data.greeting', after: 'hello from 1' },
    ]),
  )
  expect(await podsOf()).toEqual(before)

  const failing = await api('POST', '/adopt', { runId: refused.id })
  expect(failing).toMatchObject({ status: 201, body: { event: 'deploy', asked: { adopt: true } } })
  const failed = await over(failing.body.id)
  expect(failed).toMatchObject({ state: 'failed', reason: { code: 'deploy_unhealthy' } })
  expect(failed.reason.message).toContain('rolled back to what stood there before it was adopted')
  expect(await podsOf()).toEqual(before)
  expect((await read(settings))?.data).toEqual({ old: '1' })

  await api('DELETE', '/hold')
  const good = await over((await push('2')).runId)
  expect(good).toMatchObject({ state: 'succeeded' })
  expect((await read(settings))?.data).toEqual({ greeting: 'hello from 2' })
  const { body } = await api('GET', '/releases')
  expect(body.items.at(-1)).toMatchObject({ generation: 0, event: 'adopt', state: 'live' })
})

test('of an emptied Redis nothing is lost that runs: a failing release goes back to what the cluster has, and none is older', async () => {
  const before = await podsOf()
  const { id } = world.repository
  const { generation } = (await api('GET', '')).body.live
  const store = openStore({ redisUrl: redis.address, secretKey: randomBytes(32) })
  await waitReady(store.redis, 5000)
  // But for the token that these calls are made with.
  const lost = (await store.redis.keys('*')).filter((key) => key !== keys.tokens)
  await store.redis.del(lost)
  await store.close()
  const registered = await world.register()
  expect(registered.id).toBe(id)
  // A push from before what is live, delivered again.
  const [first] = world.host.deliveries().filter(({ event }) => event === 'push')
  await world.host.redeliver(first?.id ?? '')
  const [late] = (await world.taxiway.call('GET', `/runs?repo=${id}`)).body.items
  expect(await over(late.id)).toMatchObject({ state: 'superseded' })
  expect(await podsOf()).toEqual(before)
  const failed = await over((await push('3', '\n          command: [sleep, "1000"]')).runId)
  expect(failed).toMatchObject({ state: 'failed', reason: { code: 'deploy_unhealthy' } })
  expect(failed.reason.message).toContain('rolled back to')
  expect(failed.releases[0].generation).toBe(generation + 1)
  expect(await podsOf()).toEqual(before)
  expect((await read(settings))?.data).toEqual({ greeting: 'hello from 2' })
  const { body } = await api('GET', '/releases')
  expect(body.items.at(-1)).toMatchObject({ generation, event: 'recovered' })
})

const gone = () => expect.poll(async () => (await api('GET', '')).status, { timeout: 30_000 }).toBe(404)

test('an environment is deleted only when it is said what becomes of what runs: left running, or taken away', async () => {
  const before = await podsOf()
  const asked = await api('DELETE', '')
  expect(asked).toMatchObject({ status: 409, body: { error: { code: 'objects_undecided' } } })
  expect(asked.body.error.message).toContain('Deployment/web')
  const repository = `/repos/${world.repository.id}`
  expect((await world.taxiway.call('DELETE', repository)).body.error.code).toBe('objects_undecided')

  expect(await api('DELETE', '?objects=keep')).toMatchObject({ status: 202, body: { kind: 'delete' } })
  await gone()
  expect(await podsOf()).toEqual(before)
  expect((await world.taxiway.call('DELETE', repository)).status).toBe(204)

  // What it left is its own again.
  await world.register()
  await api('PUT', '', { freeze: { reason: 'moving' } })
  const { runId } = await push('4')
  await world.taxiway.waitRun(runId, ({ waiting }) => waiting?.for === 'freeze', 60_000)
  await api('PUT', '', {})
  expect(await over(runId)).toMatchObject({ state: 'succeeded' })
  await api('PUT', '', { freeze: { reason: 'moving out' } })
  const waits = (await push('5')).runId
  await world.taxiway.waitRun(waits, ({ waiting }) => waiting?.for === 'freeze', 60_000)

  expect(await api('DELETE', '?objects=delete')).toMatchObject({ status: 202 })
  await gone()
  const ended = await over(waits)
  expect(ended).toMatchObject({ state: 'cancelled' })
  expect(ended.reason.message).toContain('who deleted environment production')
  expect(await read('/apis/apps/v1/namespaces/*/deployments/web')).toBeUndefined()
  expect(await read(settings)).toBeUndefined()
  await expect.poll(podsOf, { timeout: 30_000 }).toEqual([])
})
