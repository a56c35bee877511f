import { expect, test } from 'vitest'
import { deployment, makeWork, service, successOf } from '../../contracts/target.ts'
import { clusterScene, versionsOf, webPath } from '../../world/cluster-scene.ts'

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
