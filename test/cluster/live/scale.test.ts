import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { deployment, makeWork, service, successOf } from '../../contracts/target.ts'
import { clusterScene, versionsOf, wait, webPath } from '../../world/cluster-scene.ts'

const scene = clusterScene()
const autoscaler = {
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'web' },
  spec: {
    scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
    minReplicas: 2,
    maxReplicas: 5,
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } }],
  },
}

test('a release that leaves the number of replicas to an autoscaler does not change it', async () => {
  const place = scene.open('scale')
  const replicas = async () => (await scene.read(place, webPath))?.spec as { replicas: number }
  successOf(
    await scene.target.dryRun(place.order(scene.good, [deployment({}, { replicas: 3 }), service()]), makeWork()),
  )
  successOf(await scene.target.apply(place.order(scene.good, [deployment({}, { replicas: 3 }), service()]), makeWork()))
  const { autoscaling } = await versionsOf(scene.cluster)
  const scaled = [deployment({}, { replicas: undefined }), service(), { apiVersion: autoscaling, ...autoscaler }]
  successOf(await scene.target.apply(place.order(scene.good, scaled), makeWork()))
  expect(await replicas()).toMatchObject({ replicas: 3 })
  successOf(await scene.target.apply(place.order(scene.good, scaled), makeWork()))
  expect(await replicas()).toMatchObject({ replicas: 3 })
  successOf(await scene.target.apply(place.order(scene.good, [deployment({}, { replicas: 2 }), service()]), makeWork()))
  expect(await replicas()).toMatchObject({ replicas: 2 })
})

test('what an autoscaler of somebody else scales keeps its number, also when the manifest names one', async () => {
  const place = scene.open('scale-kept')
  const named = (replicas: number, env: object[] = []) => [deployment({ env }, { replicas })]
  const first = place.order(scene.good, named(1))
  expect(await scene.roll(first)).toMatchObject({ healthy: true })
  const foreign = { apiVersion: 'autoscaling/v1', ...autoscaler, spec: { ...autoscaler.spec, metrics: undefined } }
  const path = `/apis/autoscaling/v1/namespaces/${place.namespace}/horizontalpodautoscalers`
  expect(successOf(await scene.cluster.call({ method: 'POST', path, body: foreign }, wait())).status).toBe(201)
  const numbers = async () => ((await scene.read(place, webPath)) as any).spec.replicas
  while ((await numbers()) !== 2) await sleep(200)
  const work = makeWork()
  const next = place.order(scene.good, named(1, [{ name: 'NEXT', value: 'yes' }]))
  successOf(await scene.target.apply(next, work))
  expect(await numbers()).toBe(2)
  expect(work.lines).toContain(
    'Deployment/web applied; it keeps its 2 replicas, as HorizontalPodAutoscaler/web decides how many',
  )
  const restoring = { failed: next, previous: first, generation: place.nextGeneration() }
  expect(successOf(await scene.target.restore(restoring, makeWork(60_000)))).toMatchObject({ complete: true })
  expect(await numbers()).toBe(2)
})
