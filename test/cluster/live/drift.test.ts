// Slow: between two corrections of drift Taxiway waits as long as it does for people, a minute at most.
import type { RepositoryId } from '@taxiway/domain/ids.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { deployment, service, successOf, type TestPlace } from '../../contracts/target.ts'
import { clusterScene, configMap, servicePath, wait, webPath } from '../../world/cluster-scene.ts'
import { liveScene } from '../../world/live-scene.ts'

const scene = clusterScene()
let live: Awaited<ReturnType<typeof liveScene>>
const settingsPath = '/api/v1/namespaces/*/configmaps/settings'

beforeAll(async () => {
  live = await liveScene(() => scene.target)
  live.watch()
  live.fulfil()
})
afterAll(() => live.close())

const release = async (name: string, drift: string, objects = [deployment(), service()]) => {
  const repo = await live.register(name)
  const place = scene.open(name, repo)
  const order = place.order(scene.good, objects)
  await scene.roll(order)
  await live.setLive(order, { drift })
  await live.until(repo, (state) =>
    drift === 'ignore' ? state.condition === 'healthy' : state.drift?.objects.length === 0 && !state.drift.unchecked,
  )
  return { repo, place, order }
}
/** Changes an object past Taxiway, as people do with kubectl. */
const edit = async (place: TestPlace, path: string, body: object, fieldManager = 'kubectl-edit') => {
  const call = { method: 'PATCH', path: path.replace('*', place.namespace), query: { fieldManager } }
  const type = path.includes('/apis/apps/') ? 'application/strategic-merge-patch+json' : 'application/merge-patch+json'
  const { status } = successOf(await scene.cluster.call({ ...call, method: 'PATCH', body, contentType: type }, wait()))
  expect(status).toBe(200)
}
const remove = async (place: TestPlace, path: string) =>
  successOf(await scene.cluster.call({ method: 'DELETE', path: path.replace('*', place.namespace) }, wait()))
const changes = async (repo: string) =>
  (await live.call('GET', `/repos/${repo}/environments/staging/changes`)).body.items

test('what was changed by hand is shown field by field, with who has it, and stays as it is', async () => {
  const env = [
    { name: 'MODE', value: 'fast' },
    { name: 'DB_PASSWORD', value: 'from-the-manifest' },
  ]
  const objects = [configMap('settings', { colour: 'red', other: 'x' }), deployment({ env }), service()]
  const { repo, place } = await release('report', 'report', objects)
  await live.store.repositorySecrets.set(repo, 'KEY', 'a-value-nobody-may-see')
  const beganMs = performance.now()
  await edit(place, webPath, {
    spec: {
      replicas: 2,
      template: {
        spec: {
          containers: [
            {
              name: 'web',
              env: [
                { name: 'MODE', value: 'slow' },
                { name: 'DB_PASSWORD', value: 'by-hand' },
              ],
            },
          ],
        },
      },
    },
  })
  await edit(place, settingsPath, { data: { colour: 'a-value-nobody-may-see' } })
  await remove(place, servicePath)
  const state = await live.until(repo, ({ drift }) => drift?.objects.length === 3, 60_000)
  expect(performance.now() - beganMs).toBeLessThan(60_000)
  const of = (object: string) => state.drift.objects.find((one: any) => one.object === object)
  expect(of('Service/web')).toEqual({ object: 'Service/web', change: 'deleted', fields: [] })
  expect(of('ConfigMap/settings')).toMatchObject({
    change: 'changed',
    by: 'kubectl-edit',
    fields: [{ path: 'data.colour', wanted: 'red', live: '***' }],
  })
  const inContainer = 'spec.template.spec.containers[web]'
  expect(of('Deployment/web').fields).toEqual([
    { path: 'spec.replicas', wanted: '1', live: '2' },
    { path: `${inContainer}.env[MODE].value`, wanted: 'fast', live: 'slow' },
    { path: `${inContainer}.env[DB_PASSWORD].value`, wanted: '***', live: '***' },
  ])
  expect(JSON.stringify(state)).not.toMatch(/by-hand|from-the-manifest|nobody-may-see/)
  expect((await changes(repo)).filter(({ kind }: any) => kind === 'drift').length).toBeGreaterThanOrEqual(1)
  expect(await changes(repo)).toMatchObject([{ kind: 'drift', state: 'noted' }])
  expect(((await scene.read(place, webPath)) as any).spec.replicas).toBe(2)
  // The next release makes it right, and its own roll-out is no drift.
  const next = place.order(scene.good, objects)
  await scene.roll(next)
  await live.setLive(next)
  const right = await live.until(repo, ({ generation, drift }) => generation === 2 && drift?.objects.length === 0)
  expect(right.drift).toMatchObject({ mode: 'report' })
  expect(right.drift.since).toBeUndefined()
})

test("what others add, servers fill in, autoscalers and people's scaling decide is no drift", async () => {
  const autoscaler = {
    apiVersion: 'autoscaling/v1',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'web' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      minReplicas: 2,
      maxReplicas: 3,
    },
  }
  const other = { ...deployment({}, { replicas: 1 }), metadata: { name: 'other' } }
  const limits = { resources: { limits: { cpu: '0.5', memory: '1024Mi' }, requests: { cpu: '0.1' } } }
  const { repo, place } = await release('others', 'correct', [deployment(limits), other, service(), autoscaler])
  await live.until(repo, ({ workloads }) => workloads.find(({ name }: any) => name === 'web')?.ready === 2, 60_000)
  expect(await live.change(repo, 'scale', { workload: 'other', replicas: 2 })).toMatchObject({ state: 'done' })
  await edit(place, webPath, {
    metadata: { annotations: { 'kubernetes.io/change-cause': 'seen' } },
    spec: { template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': 'now' } } } },
  })
  await edit(place, webPath, { metadata: { annotations: { note: 'seen' }, labels: { team: 'a' } } }, 'a-controller')
  const after = Date.now() + 2_000
  const state = await live.until(
    repo,
    ({ condition, seenAt, workloads }) =>
      condition === 'healthy' && Date.parse(seenAt) > after && workloads.every(({ ready }: any) => ready === 2),
    60_000,
  )
  expect(state.drift).toEqual({ mode: 'correct', objects: [] })
  expect((await changes(repo)).map(({ kind }: any) => kind)).toEqual(['scale'])
  expect(((await scene.read(place, webPath)) as any).metadata.annotations.note).toBe('seen')
})

test('what people added is shown, undone where that is wanted, and gone with the next release in one roll-out', async () => {
  const sidecar = { name: 'sidecar', image: scene.good, command: ['sleep', '1000'] }
  const env = [{ name: 'DEBUG', value: '1' }]
  const pod = (container: object) => ({ spec: { template: { spec: { containers: [container] } } } })
  const { repo, place } = await release('added', 'report')
  await edit(place, webPath, pod({ name: 'web', env }), 'kubectl-set')
  await edit(place, webPath, pod(sidecar), 'kubectl-patch')
  const state = await live.until(repo, ({ drift }) => drift?.objects[0]?.fields.length >= 3, 60_000)
  expect(state.drift.objects[0].object).toBe('Deployment/web')
  expect(state.drift.objects[0].by.split(', ').sort()).toEqual(['kubectl-patch', 'kubectl-set'])
  const paths = state.drift.objects[0].fields.map(({ path }: any) => path)
  expect(paths).toContain('spec.template.spec.containers[web].env[DEBUG].value')
  expect(paths).toContain('spec.template.spec.containers[sidecar].image')
  const containers = async () => ((await scene.read(place, webPath)) as any).spec.template.spec.containers
  const revision = async () =>
    Number((await scene.read(place, webPath))?.metadata.annotations?.['deployment.kubernetes.io/revision'])
  const before = await revision()
  await scene.roll(place.order(scene.good))
  expect((await containers()).map(({ name, env: its }: any) => [name, its])).toEqual([['web', undefined]])
  expect(await revision()).toBe(before + 1)

  const other = await release('added-correct', 'correct')
  await edit(other.place, webPath, pod(sidecar), 'kubectl-patch')
  await edit(other.place, webPath, { spec: { paused: true } }, 'kubectl-rollout')
  const right = await live.until(
    other.repo,
    ({ drift }) => drift?.correction?.times >= 1 && drift.objects.length === 0,
    60_000,
  )
  expect(right.drift.mode).toBe('correct')
  const { spec } = (await scene.read(other.place, webPath)) as any
  expect([spec.paused, spec.template.spec.containers.length]).toEqual([undefined, 1])
})

test('with drift: correct it is put back under the same generation, never beside a roll-out', async () => {
  const { repo, place } = await release('correct', 'correct', [
    configMap('settings', { colour: 'red' }),
    deployment(),
    service(),
  ])
  const id = repo as RepositoryId
  await live.store.releases.holdLane(id, 'staging', 'a-roll-out', 120_000)
  await edit(place, settingsPath, { data: { colour: 'blue' } })
  await edit(place, webPath, { spec: { replicas: 3 } })
  await remove(place, servicePath)
  // It is looked at all the while, and nothing is done.
  const seenMs = Date.now() + 1_000
  await live.until(repo, ({ seenAt, workloads }) => Date.parse(seenAt) > seenMs && workloads[0]?.wanted === 3)
  expect(((await scene.read(place, settingsPath)) as any).data.colour).toBe('blue')
  await live.store.releases.leaveLane(id, 'staging', 'a-roll-out')
  const state = await live.until(
    repo,
    ({ drift }) => drift?.objects.length === 0 && drift.correction?.times === 1,
    60_000,
  )
  expect(state.generation).toBe(1)
  expect(((await scene.read(place, settingsPath)) as any).data.colour).toBe('red')
  expect(await scene.read(place, webPath)).toMatchObject({
    spec: { replicas: 1 },
    metadata: { annotations: { 'taxiway.dev/generation': '1' } },
  })
  expect(await scene.read(place, servicePath)).toBeDefined()
  expect((await changes(repo))[0]).toMatchObject({ kind: 'correct', who: 'Taxiway', generation: 1 })
})

test('whoever fights the correction is told so, and it backs off', async () => {
  const { repo, place } = await release('fought', 'correct', [configMap('settings', { colour: 'red' }), deployment()])
  let stop = false
  let edits = 0
  const fight = (async () => {
    while (!stop) {
      const now = (await scene.read(place, settingsPath)) as any
      if (now.data.colour === 'red') {
        edits++
        await edit(place, settingsPath, { data: { colour: `blue${edits}` } })
      }
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  })()
  const state = await live
    .until(repo, ({ drift }) => drift?.correction?.reason?.code === 'drift_persists', 150_000)
    .finally(() => {
      stop = true
    })
  await fight
  expect(state.drift.correction.reason.message).toMatch(
    /^ConfigMap\/settings was put back 2 times, and kubectl-edit changed it again each time\. /,
  )
  const { lastAt, nextAt } = state.drift.correction
  expect(Date.parse(nextAt) - Date.parse(lastAt)).toBe(60_000)
  expect(edits).toBeLessThanOrEqual(4)
})

test('with drift: ignore nothing is compared', async () => {
  const { repo, place } = await release('ignored', 'ignore')
  await edit(place, webPath, { spec: { replicas: 2 } })
  const state = await live.until(repo, ({ workloads }) => workloads[0]?.ready === 2)
  expect(state.drift).toBeUndefined()
})
