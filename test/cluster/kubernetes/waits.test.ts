// Slow: a node waits longer each time before it starts a program again, and so does a controller that a quota refused.
import { expect, test } from 'vitest'
import { deployment, makeWork, service, successOf, type TestPlace } from '../../contracts/target.ts'
import { clusterScene, servicePath, wait, webPath } from '../../world/cluster-scene.ts'
import { serving } from '../../world/images.ts'

const scene = clusterScene()
/** Rolls out, and what was said meanwhile. */
async function roll(order: ReturnType<TestPlace['order']>, deadlineMs: number) {
  const work = makeWork(deadlineMs)
  successOf(await scene.target.dryRun(order, makeWork()))
  const applying = makeWork()
  successOf(await scene.target.apply(order, applying))
  const verdict = successOf(await scene.target.watch(order, work))
  return { verdict, lines: [...applying.lines, ...work.lines] }
}
const make = async (place: TestPlace, path: string, body: object) => {
  const call = { method: 'POST', path: `/api/v1/namespaces${path.replace('*', place.namespace)}`, body } as const
  expect(successOf(await scene.cluster.call(call, wait())).status).toBe(201)
}

test.concurrent('a program that waits for its database by exiting is live once that is there', async () => {
  const at = Math.round(Date.now() / 1000) + 20
  const app = `[ $(date +%s) -ge ${at} ] || { echo database is not there yet; exit 1; }; ${serving('app')}`
  const objects = [deployment({ command: ['sh', '-c', app] })]
  const { restarts: _, ...order } = scene.open('waits').order(scene.good, objects)
  const { verdict, lines } = await roll(order, 90_000)
  expect(verdict).toMatchObject({ healthy: true })
  expect(lines).toContainEqual(
    expect.stringMatching(/^web: restarted (once|\d+ times), exit 1: database is not there yet$/),
  )
})

test.concurrent('a quota that leaves room for one pod after another slows a roll-out and does not end it', async () => {
  const place = scene.open('quota-room')
  await make(place, '', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: place.namespace } })
  const spec = { hard: { pods: '2' } }
  await make(place, '/*/resourcequotas', { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'q' }, spec })
  const rolling = { replicas: 2, strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } }
  const version = (value: string) => [deployment({ env: [{ name: 'VERSION', value }] }, rolling)]
  expect((await roll(place.order(scene.good, version('1')), 30_000)).verdict).toMatchObject({ healthy: true })
  expect((await roll(place.order(scene.good, version('2')), 90_000)).verdict).toMatchObject({ healthy: true })
})

test.concurrent('a deployment that somebody paused is resumed by the next release, which says so', async () => {
  const place = scene.open('paused')
  const version = (value: string) => [deployment({ env: [{ name: 'VERSION', value }] }), service()]
  await roll(place.order(scene.good, version('1')), 30_000)
  const call = {
    method: 'PATCH',
    path: webPath.replace('*', place.namespace),
    body: { spec: { paused: true } },
  } as const
  const query = { fieldManager: 'kubectl-rollout' }
  successOf(await scene.cluster.call({ ...call, query, contentType: 'application/merge-patch+json' }, wait()))
  const { verdict, lines } = await roll(place.order(scene.good, version('2')), 30_000)
  expect(verdict).toEqual({ healthy: true, ready: 'web 1/1' })
  expect(lines).toContain('Deployment/web is paused (kubectl rollout pause): this release resumes it')
  expect((await scene.read(place, webPath))?.spec).not.toHaveProperty('paused')
  await roll(place.order(scene.good, version('3')), 30_000)
  expect(await scene.read(place, servicePath)).toBeDefined()
})
