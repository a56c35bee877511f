import type { RepositoryId } from '@taxiway/domain/ids.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deployment, service, type TestPlace } from '../../contracts/target.ts'
import { clusterScene, webPath } from '../../world/cluster-scene.ts'
import { liveScene } from '../../world/live-scene.ts'

const scene = clusterScene()
let live: Awaited<ReturnType<typeof liveScene>>

beforeAll(async () => {
  live = await liveScene(() => scene.target)
  live.watch()
  live.fulfil()
})
afterAll(() => live.close())

const release = async (name: string, objects = [deployment({}, { replicas: 1 }), service()]) => {
  const repo = await live.register(name)
  const place = scene.open(name, repo)
  const order = place.order(scene.good, objects)
  await scene.roll(order)
  await live.setLive(order)
  return { repo, place, order }
}
const web = async (place: TestPlace) => (await scene.read(place, webPath)) as any

test('a workload is scaled by hand: who and when is kept, and the next release says otherwise', async () => {
  const { repo, place } = await release('scale')
  const done = await live.change(repo, 'scale', { workload: 'web', replicas: 3 })
  expect(done).toMatchObject({
    kind: 'scale',
    state: 'done',
    workload: 'Deployment/web',
    replicas: 3,
    who: 'a writer',
    generation: 1,
  })
  expect((await web(place)).spec.replicas).toBe(3)
  const state = await live.until(repo, ({ workloads }) => workloads?.[0]?.ready === 3)
  expect(state.workloads[0].wanted).toBe(3)
  expect(await live.store.changes.byHand({ repo, name: 'staging' })).toEqual({ 'Deployment/web': 3 })
  const next = place.order(scene.good, [deployment({}, { replicas: 1 }), service()])
  await scene.roll(next)
  await live.setLive(next)
  expect((await web(place)).spec.replicas).toBe(1)
  expect(await live.store.changes.byHand({ repo, name: 'staging' })).toEqual({})
})

test('a restart makes the pods anew, once, and the next release keeps its ways', async () => {
  const { repo, place, order } = await release('restart')
  const before = await live.until(repo, ({ condition }) => condition === 'healthy')
  const done = await live.change(repo, 'restart', { workload: 'Deployment/web' })
  expect(done).toMatchObject({ state: 'done' })
  const old = before.workloads[0].pods[0].name
  // The old pod may be on its way out for a while yet.
  await live.until(repo, ({ condition, workloads }) => {
    const ready = workloads?.[0]?.pods.filter((pod: any) => pod.ready).map(({ name }: any) => name) ?? []
    return condition === 'healthy' && ready.length === 1 && ready[0] !== old
  })
  const revision = (await web(place)).metadata.annotations['deployment.kubernetes.io/revision']
  // A deployer that died before it could say so does it again: nothing happens twice.
  const again = { order, generation: 1, byHand: {}, drift: 'report' as const }
  const work = { deadlineMs: 10_000, signal: new AbortController().signal, say: () => undefined }
  expect(await scene.target.restart(again, { workload: 'Deployment/web', at: done.at }, work)).toMatchObject({
    ok: true,
  })
  expect((await web(place)).metadata.annotations['deployment.kubernetes.io/revision']).toBe(revision)
})

test('nothing is changed while something is rolled out, and what was asked for another release is not done', async () => {
  const { repo, place, order } = await release('fence')
  const id = repo as RepositoryId
  expect(await live.store.releases.holdLane(id, 'staging', 'a-roll-out', 60_000)).toBe(true)
  const path = `/repos/${repo}/environments/staging`
  const asked = await live.call('POST', `${path}/scale`, { workload: 'web', replicas: 2 })
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  const list = async () => (await live.call('GET', `${path}/changes`)).body.items
  expect(await list()).toMatchObject([{ id: asked.body.id, state: 'waiting' }])
  // The roll-out ends with another release.
  const next = place.order(scene.good)
  await scene.roll(next)
  await live.setLive(next)
  await live.store.releases.leaveLane(id, 'staging', 'a-roll-out')
  await expect.poll(async () => (await list())[0].state, { timeout: 10_000 }).toBe('refused')
  expect((await list())[0].reason.code).toBe('change_overtaken')
  expect((await web(place)).spec.replicas).toBe(1)
  // The cluster refuses the older release, whatever a late deployer believes.
  const late = { order, generation: 1, byHand: {}, drift: 'report' as const }
  const work = { deadlineMs: 10_000, signal: new AbortController().signal, say: () => undefined }
  const change = { workload: 'Deployment/web', replicas: 5 }
  expect(await scene.target.scale(late, change, work)).toMatchObject({ reason: { code: 'stale_generation' } })
  expect((await web(place)).spec.replicas).toBe(1)
})

test('what waits too long ends, with what it waited for', async () => {
  const { repo } = await release('expires')
  await live.store.releases.holdLane(repo, 'staging', 'a-roll-out', 60_000)
  await live.store.changes.add(
    { repo, name: 'staging' },
    {
      kind: 'restart',
      state: 'waiting',
      workload: 'Deployment/web',
      who: 'x',
      at: new Date(Date.now() - 11 * 60_000).toISOString(),
      generation: 1,
    },
  )
  const list = async () => (await live.call('GET', `/repos/${repo}/environments/staging/changes`)).body.items
  await expect.poll(async () => (await list())[0].reason?.code, { timeout: 10_000 }).toBe('change_expired')
})

test('what can not be changed is refused with the reason', async () => {
  const autoscaler = {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'web' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      minReplicas: 1,
      maxReplicas: 2,
    },
  }
  const { repo } = await release('refused', [deployment(), service(), autoscaler])
  const refused = await live.change(repo, 'scale', { workload: 'web', replicas: 2 })
  expect(refused).toMatchObject({ state: 'refused', reason: { code: 'change_refused' } })
  expect(refused.reason.message).toContain('autoscaler')
  expect(await live.store.changes.byHand({ repo, name: 'staging' })).toEqual({})
  const path = `/repos/${repo}/environments/staging`
  const post = (body: object, token?: string) => live.call('POST', `${path}/scale`, body, token)
  expect((await post({ workload: 'db', replicas: 1 })).status).toBe(404)
  expect((await post({ workload: 'web', replicas: 1001 })).status).toBe(400)
  expect((await post({ workload: 'web', replicas: 1, more: true })).status).toBe(400)
  expect((await post({ workload: 'web', replicas: 1 }, live.readToken)).status).toBe(403)
  // Too many at a time.
  await live.store.releases.holdLane(repo, 'staging', 'a-roll-out', 60_000)
  const answers = []
  for (let count = 0; count < 11; count++) answers.push((await post({ workload: 'web', replicas: 1 })).status)
  expect(answers).toEqual([...Array(10).fill(202), 409])
})
