import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { expect, test } from 'vitest'
import { deployment, makeWork, service, successOf } from '../../contracts/target.ts'
import { clusterScene } from '../../world/cluster-scene.ts'

const scene = clusterScene()

test('a job of an earlier run is run anew, and not run again by a rollback', async () => {
  const place = scene.open('job')
  const job = (command: string): RenderedObject => ({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'migrate' },
    spec: {
      backoffLimit: 0,
      template: {
        spec: { restartPolicy: 'Never', containers: [{ name: 'm', image: 'web', command: ['sh', '-c', command] }] },
      },
    },
  })
  const first = place.order(scene.good, [job('true'), deployment()])
  expect(await scene.roll(first)).toMatchObject({ healthy: true })
  const bad = place.order(scene.good, [job('echo no such column; exit 4'), deployment()])
  expect(await scene.roll(bad)).toMatchObject({
    healthy: false,
    detail: 'migrate: exit 4: no such column',
    explanation: { cause: 'job_failed', exitCode: 4 },
  })
  const generation = place.nextGeneration()
  expect(successOf(await scene.target.restore({ failed: bad, previous: first, generation }, makeWork()))).toMatchObject(
    {
      complete: true,
    },
  )
  expect(await scene.read(place, '/apis/batch/v1/namespaces/*/jobs/migrate')).toBeUndefined()
})

test('a stateful set whose new pod is broken comes back', async () => {
  const place = scene.open('stateful')
  const set = (): RenderedObject => {
    const { spec } = deployment({}, { serviceName: 'web' }, { terminationGracePeriodSeconds: 0 })
    return { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'web' }, spec }
  }
  const first = place.order(scene.good, [set()])
  expect(await scene.roll(first, 20_000)).toMatchObject({ healthy: true })
  const bad = place.order(scene.images.missing('web'), [set()])
  expect(await scene.roll(bad, 20_000)).toMatchObject({
    healthy: false,
    detail: expect.stringContaining("can't be pulled"),
  })
  const generation = place.nextGeneration()
  expect(
    successOf(await scene.target.restore({ failed: bad, previous: first, generation }, makeWork(20_000))),
  ).toMatchObject({
    complete: true,
  })
})

test('a deployment past its own progress deadline is given up, and comes back all the same', async () => {
  const place = scene.open('progress')
  const first = place.order(scene.good)
  await scene.roll(first)
  const limits = { progressDeadlineSeconds: 3 }
  const bad = place.order(await scene.images.publish('stuck', 'sleep 600'), [deployment({}, limits), service()])
  const verdict = await scene.roll(bad)
  expect(!verdict.healthy && verdict.detail).toMatch(/^web: never ready: /)
  const restoring = { failed: bad, previous: first, generation: place.nextGeneration() }
  expect(successOf(await scene.target.restore(restoring, makeWork()))).toMatchObject({ complete: true })
})
