import { setTimeout as sleep } from 'node:timers/promises'
import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import type { Pod } from '@taxiway/kubernetes/object.ts'
import { expect, test } from 'vitest'
import { deployment, makeWork, service, successOf, type TestPlace } from '../../contracts/target.ts'
import { clusterScene, failureOf, servicePath, wait } from '../../world/cluster-scene.ts'

const scene = clusterScene()
const jobPath = '/apis/batch/v1/namespaces/*/jobs/seed'
const job = (command: string, more: object = {}): RenderedObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'seed' },
  spec: {
    ...more,
    backoffLimit: 0,
    template: {
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 's', image: 'web', command: ['sh', '-c', command] }],
      },
    },
  },
})
const remove = async (place: TestPlace, path: string) =>
  successOf(
    await scene.cluster.call(
      { method: 'DELETE', path: path.replace('*', place.namespace), body: { propagationPolicy: 'Background' } },
      wait(),
    ),
  )
const until = async <T>(look: () => Promise<T | undefined>): Promise<T> => {
  for (;;) {
    const seen = await look()
    if (seen) return seen
    await sleep(100)
  }
}
const isComplete = async (place: TestPlace) => {
  const { conditions = [] } = ((await scene.read(place, jobPath))?.status ?? {}) as { conditions?: { type: string }[] }
  return conditions.some(({ type }) => type === 'Complete') || undefined
}

test.concurrent('a job that is the same is left alone; one that failed with the same is run anew', async () => {
  const place = scene.open('job-same')
  expect(await scene.roll(place.order(scene.good, [job('true'), deployment()]))).toMatchObject({ healthy: true })
  const before = (await scene.read(place, jobPath))?.metadata.uid
  const again = place.order(scene.good, [job('true'), deployment()])
  expect(await scene.roll(again)).toEqual({ healthy: true, ready: 'seed complete, web 1/1' })
  expect((await scene.read(place, jobPath))?.metadata.uid).toBe(before)
  // Another release that fails takes its own job away again, and not this one.
  const bad = place.order(scene.images.missing('web'), [job('true'), deployment()])
  const restoring = { failed: { ...bad, objects: again.objects }, previous: again, generation: place.nextGeneration() }
  expect(successOf(await scene.target.restore(restoring, makeWork()))).toMatchObject({ complete: true })
  expect((await scene.read(place, jobPath))?.metadata.uid).toBe(before)
  const failing = () => place.order(scene.good, [job('exit 3')])
  expect(await scene.roll(failing())).toMatchObject({ healthy: false })
  const failed = (await scene.read(place, jobPath))?.metadata.uid
  expect(await scene.roll(failing())).toMatchObject({ healthy: false })
  expect((await scene.read(place, jobPath))?.metadata.uid).not.toBe(failed)
})

test.concurrent('a job that still runs is not killed by the next release, which waits for its end', async () => {
  const place = scene.open('job-runs')
  const first = place.order(scene.good, [job('sleep 4')])
  successOf(await scene.target.dryRun(first, makeWork()))
  successOf(await scene.target.apply(first, makeWork()))
  const uid = await until(async () => {
    const live = await scene.read(place, jobPath)
    return (live?.status as { active?: number })?.active ? live?.metadata.uid : undefined
  })
  const work = makeWork()
  const runs = (command: string) =>
    until(async () => {
      const path = `/api/v1/namespaces/${place.namespace}/pods`
      const { body } = successOf(await scene.cluster.call<{ items: Pod[] }>({ method: 'GET', path }, wait()))
      const pods = body.items.filter(({ spec }) => JSON.stringify(spec.containers).includes(command))
      return pods.some(({ status }) => status?.phase === 'Running') || undefined
    })
  await runs('sleep 4')
  successOf(await scene.target.apply(place.order(scene.good, [job('true')]), work))
  expect(work.lines).toContain('Job/seed of an earlier release still runs; waiting for its end')
  expect((await scene.read(place, jobPath))?.metadata.uid).not.toBe(uid)
  successOf(await scene.target.apply(place.order(scene.good, [job('sleep 60')]), makeWork()))
  await runs('sleep 60')
  const refused = await scene.target.apply(place.order(scene.good, [job('echo other')]), makeWork(2_000))
  expect(failureOf(refused)).toEqual({
    code: 'manifest_conflict',
    message:
      'Job/seed of an earlier release still runs: nothing was done to it; push again when it has ended, or delete it first.',
  })
})

test.concurrent('a job that was seen complete, or that the cluster removes by itself, is done when it is gone', async () => {
  const place = scene.open('job-gone')
  const timed = place.order(scene.good, [job('sleep 1', { ttlSecondsAfterFinished: 0 }), deployment()])
  successOf(await scene.target.dryRun(timed, makeWork()))
  successOf(await scene.target.apply(timed, makeWork()))
  const watched = scene.target.watch(timed, makeWork())
  await until(async () => (await isComplete(place)) || (await scene.read(place, jobPath)) === undefined || undefined)
  // Kubernetes 1.20 does not do it by itself.
  await remove(place, jobPath)
  expect(successOf(await watched)).toEqual({ healthy: true, ready: 'seed complete, web 1/1' })
  const plain = place.order(scene.good, [job('true'), deployment()])
  expect(await scene.roll(plain)).toMatchObject({ healthy: true })
  const soaked = scene.target.soak(plain, 2_000, makeWork())
  await remove(place, jobPath)
  expect(successOf(await soaked)).toMatchObject({ healthy: true })
})

test.concurrent('an object that a finalizer holds is named within seconds, and nothing is changed', async () => {
  const place = scene.open('held')
  const first = place.order(scene.good)
  expect(await scene.roll(first)).toMatchObject({ healthy: true })
  const hold = async (finalizers: string[] | null) => {
    const call = {
      method: 'PATCH',
      path: servicePath.replace('*', place.namespace),
      body: { metadata: { finalizers } },
    }
    const contentType = 'application/merge-patch+json'
    successOf(await scene.cluster.call({ ...call, method: 'PATCH', contentType }, wait()))
  }
  await hold(['example.com/x'])
  const without = place.order(scene.good, [deployment()])
  expect(await scene.roll(without)).toMatchObject({ healthy: true })
  successOf(await scene.target.prune(without, makeWork(), 'all'))
  const next = place.order(scene.good, [deployment(), service()])
  for (const step of ['dryRun', 'apply'] as const)
    expect(failureOf(await scene.target[step](next, makeWork()))).toEqual({
      code: 'manifest_conflict',
      message:
        'Service/web of an earlier release is still being removed: finalizer example.com/x holds it; what set it must let go, or a person takes the finalizer off.',
    })
  await hold(null)
  expect(await scene.roll(next)).toMatchObject({ healthy: true })
})
