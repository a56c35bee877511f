import { afterAll, beforeAll, expect, test } from 'vitest'
import { deployment, service, successOf } from '../../contracts/target.ts'
import { clusterScene, wait, webPath } from '../../world/cluster-scene.ts'
import { liveScene } from '../../world/live-scene.ts'

const scene = clusterScene()
let live: Awaited<ReturnType<typeof liveScene>>

beforeAll(async () => {
  live = await liveScene(() => scene.target)
  live.watch()
})
afterAll(() => live.close())

const release = async (name: string, objects = [deployment({}, { replicas: 2 }), service()]) => {
  const repo = await live.register(name)
  const place = scene.open(name, repo)
  const order = place.order(scene.good, objects)
  await scene.roll(order)
  await live.setLive(order)
  return { repo, place, order }
}

test('the state of an environment is told for as long as it lives: replicas, version, pods, and since when', async () => {
  // A pod needs its time to become ready, so that one that is missing is seen on a busy machine too.
  const slowly = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1, initialDelaySeconds: 5 }
  const { repo, place, order } = await release('state', [
    deployment({ readinessProbe: slowly }, { replicas: 2 }),
    service(),
  ])
  const healthy = await live.until(repo, ({ condition }) => condition === 'healthy')
  expect(healthy).toMatchObject({
    generation: 1,
    workloads: [
      {
        kind: 'Deployment',
        name: 'web',
        condition: 'healthy',
        wanted: 2,
        ready: 2,
        images: [scene.good],
        runId: order.runId,
        sha: order.sha,
      },
    ],
  })
  expect(healthy.ageSeconds).toBeLessThan(60)
  const [pod] = healthy.workloads[0].pods
  expect(pod).toMatchObject({ phase: 'Running', ready: true, restarts: 0, runId: order.runId })
  expect(Date.parse(pod.startedAt)).toBeLessThanOrEqual(Date.now())
  // Somebody takes one away: seen by the watch, and well again when its successor is ready.
  const path = `/api/v1/namespaces/${place.namespace}/pods/${pod.name}`
  successOf(await scene.cluster.call({ method: 'DELETE', path }, wait()))
  const degraded = await live.until(repo, ({ condition }) => condition === 'degraded')
  expect(Date.parse(degraded.since)).toBeGreaterThanOrEqual(Date.parse(healthy.since))
  expect(degraded.workloads[0]).toMatchObject({ wanted: 2, ready: 1 })
  const again = await live.until(repo, ({ condition }) => condition === 'healthy')
  expect(again.since > healthy.since).toBe(true)
  // And all of it: down.
  const gone = webPath.replace('*', place.namespace)
  successOf(await scene.cluster.call({ method: 'DELETE', path: gone }, wait()))
  const down = await live.until(repo, ({ condition }) => condition === 'down')
  expect(down.workloads).toMatchObject([{ name: 'web', condition: 'down', detail: 'it was deleted', ready: 0 }])
  const { body } = await live.call('GET', `/repos/${repo}/environments`)
  expect(body.items).toMatchObject([{ name: 'staging', state: { condition: 'down' } }])
})

test('a pod that restarts is told with its restarts and how it ended', async () => {
  const image = await scene.images.publish('dies-later', 'sleep 4; exit 7')
  const repo = await live.register('dies')
  const place = scene.open('dies', repo)
  const order = place.order(image, [deployment({ readinessProbe: { exec: { command: ['true'] }, periodSeconds: 1 } })])
  await scene.roll(order)
  await live.setLive(order)
  const state = await live.until(repo, ({ workloads }) => workloads?.[0]?.pods[0]?.restarts > 0, 60_000)
  expect(state.workloads[0].pods[0].lastExit).toMatchObject({ code: 7 })
})

test('what was never released, and what does not exist, is told so', async () => {
  const repo = await live.register('nothing')
  expect(await live.call('GET', `/repos/${repo}/environments/staging/state`)).toMatchObject({ status: 404 })
  await live.store.environments.setRules(repo, 'staging', {})
  expect(await live.call('GET', `/repos/${repo}/environments/staging/state`)).toMatchObject({
    status: 409,
    body: { error: { code: 'nothing_live' } },
  })
})

test('two deployers share the environments, and one takes over what the other leaves', async () => {
  const { repo } = await release('shared', [deployment({}, { replicas: 0 })])
  await live.until(repo, ({ condition }) => condition === 'healthy')
  const key = { repo, name: 'staging' }
  const holder = () => live.store.redis.get(`taxiway:watch:${repo}:staging`)
  const first = await holder()
  const others = Array.from({ length: 3 }, () => live.watch())
  const up = async () => (await live.store.environmentStates.deployers()).length
  await expect.poll(up, { timeout: 10_000 }).toBeGreaterThanOrEqual(4)
  expect(await live.store.environmentStates.write(key, 'somebody else', await stateOf(repo))).toBe(false)
  for (const other of others) await other.stop()
  await expect.poll(holder, { timeout: 30_000 }).toBe(first)
  const seenAt = Date.now()
  await live.until(repo, (state) => Date.parse(state.seenAt) > seenAt, 40_000)
})

const stateOf = async (repo: string) => (await live.call('GET', `/repos/${repo}/environments/staging/state`)).body
