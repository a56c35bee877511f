import { applyRelease } from '@taxiway/kubernetes/apply/apply.ts'
import type { Cluster } from '@taxiway/kubernetes/cluster/call.ts'
import { type KubeObject, stamped } from '@taxiway/kubernetes/object.ts'
import { expect, test } from 'vitest'
import { deployment, makeWork, service, successOf } from '../../contracts/target.ts'
import { clusterScene, configMap, failureOf, servicePath, wait, webPath } from '../../world/cluster-scene.ts'

const scene = clusterScene()

test('an older release that read before a newer one wrote is stale, and changes nothing', async () => {
  const place = scene.open('race')
  const first = place.order(scene.good)
  await scene.roll(first)
  const objects = [configMap('only-older', { a: '1' }), deployment(), service(81)]
  const older = { ...place.order(scene.good, objects), generation: 2 }
  const newer = { ...place.order(scene.good, [deployment(), service(82)]), generation: 3 }
  // The older one is held after it has claimed and written its first object.
  let arrived = () => {}
  let release = () => {}
  const atFirstObject = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const slow: Cluster = {
    ...scene.cluster,
    async call(call, callWait) {
      if (call.method === 'PATCH' && call.path.endsWith('/services/web')) {
        arrived()
        await held
      }
      return scene.cluster.call(call, callWait)
    },
  }
  const applying = applyRelease(slow, stamped(older), wait())
  await atFirstObject
  successOf(await scene.target.apply(newer, makeWork()))
  release()
  expect(failureOf(await applying)?.code).toBe('stale_generation')
  expect(await scene.read(place, servicePath)).toMatchObject({
    metadata: { annotations: { 'taxiway.dev/generation': '3' } },
    // It is written once the pods are ready.
    spec: { ports: [{ port: 80 }] },
  })
  // What only the older one had goes when the newer one is healthy.
  expect(successOf(await scene.target.watch(newer, makeWork()))).toMatchObject({ healthy: true })
  expect(await scene.read(place, servicePath)).toMatchObject({ spec: { ports: [{ port: 82 }] } })
  successOf(await scene.target.prune(newer, makeWork()))
  expect(await scene.read(place, '/api/v1/namespaces/*/configmaps/only-older')).toBeUndefined()
})

test('an older release does not leave behind what it made after a newer one came', async () => {
  const place = scene.open('late-create')
  const older = place.order(scene.good, [configMap('late', {})])
  const newer = place.order(scene.good, [configMap('other', {})])
  const slow: Cluster = {
    ...scene.cluster,
    async call(call, callWait) {
      const isLate = call.method === 'POST' && (call.body as KubeObject).metadata.name === 'late'
      if (isLate) successOf(await scene.target.apply(newer, makeWork()))
      return scene.cluster.call(call, callWait)
    },
  }
  successOf(await scene.target.dryRun(older, makeWork()))
  expect(failureOf(await applyRelease(slow, stamped(older), wait()))?.code).toBe('stale_generation')
  expect(await scene.read(place, '/api/v1/namespaces/*/configmaps/late')).toBeUndefined()
})

test('an apply that was cut off between two objects is completed by the next', async () => {
  const place = scene.open('cut-off')
  const order = place.order(scene.good, [configMap('first', {}), deployment(), service()])
  successOf(await scene.target.dryRun(order, makeWork()))
  const cut: Cluster = {
    ...scene.cluster,
    call(call, callWait) {
      if (call.method === 'POST' && call.path.endsWith('/deployments')) throw new Error('cut off')
      return scene.cluster.call(call, callWait)
    },
  }
  await expect(applyRelease(cut, stamped(order), wait())).rejects.toThrow('cut off')
  expect(await scene.read(place, webPath)).toBeUndefined()
  successOf(await scene.target.apply(order, makeWork()))
  expect(successOf(await scene.target.watch(order, makeWork()))).toMatchObject({ healthy: true })
  for (const path of [webPath, servicePath, '/api/v1/namespaces/*/configmaps/first'])
    expect((await scene.read(place, path))?.metadata.annotations).toMatchObject({ 'taxiway.dev/generation': '1' })
})

test('what a later manifest drops is dropped from the object, and objects it drops are removed when it is healthy', async () => {
  const place = scene.open('drops')
  await scene.roll(
    place.order(scene.good, [configMap('kept', { a: '1', b: '1' }), configMap('dropped', {}), deployment()]),
  )
  const next = place.order(scene.good, [configMap('kept', { a: '2' }), deployment()])
  await scene.roll(next)
  expect(await scene.read(place, '/api/v1/namespaces/*/configmaps/dropped')).toBeDefined()
  successOf(await scene.target.prune(next, makeWork()))
  expect((await scene.read(place, '/api/v1/namespaces/*/configmaps/kept'))?.data).toEqual({ a: '2' })
  expect(await scene.read(place, '/api/v1/namespaces/*/configmaps/dropped')).toBeUndefined()
})

test('what others made is not taken from them, unless they agree', async () => {
  const place = scene.open('foreign')
  successOf(await scene.target.dryRun(place.order(scene.good, [configMap('x', {})]), makeWork()))
  const path = `/api/v1/namespaces/${place.namespace}/configmaps`
  const theirs = { ...configMap('shared', { a: '1' }), metadata: { name: 'shared' } }
  successOf(
    await scene.cluster.call({ method: 'POST', path, query: { fieldManager: 'kubectl' }, body: theirs }, wait()),
  )
  const reason = failureOf(
    await scene.target.dryRun(place.order(scene.good, [configMap('shared', { a: '2' })]), makeWork()),
  )
  expect(reason?.code).toBe('manifest_conflict')
  expect(reason?.message).toContain('kubectl owns .data.a')
})

test('another field manager is named, whether it was there before the dry run or came in before the apply', async () => {
  const place = scene.open('second-manager')
  const path = `/api/v1/namespaces/${place.namespace}/configmaps/shared`
  const theirs = async (a: string) => {
    const call = {
      method: 'PATCH',
      path,
      query: { fieldManager: 'helm' },
      contentType: 'application/apply-patch+yaml',
    } as const
    successOf(await scene.cluster.call({ ...call, body: configMap('shared', { a }) }, wait()))
  }
  const order = place.order(scene.good, [configMap('shared', { a: '2' }), deployment()])
  successOf(await scene.target.dryRun(order, makeWork()))
  await theirs('1')
  const named = {
    code: 'manifest_conflict',
    message:
      'ConfigMap/shared is also managed by somebody else: helm owns .data.a; to take it over, look at "taxiway diff RUN", and have an admin run "taxiway adopt REPO ENVIRONMENT RUN".',
  }
  expect(failureOf(await scene.target.apply(order, makeWork()))).toEqual(named)
  expect(failureOf(await scene.target.dryRun(order, makeWork()))).toEqual(named)
  expect((await scene.read(place, path))?.data).toEqual({ a: '1' })
  // What both want alike is no conflict.
  await theirs('2')
  successOf(await scene.target.dryRun(order, makeWork()))
  successOf(await scene.target.apply(order, makeWork()))
})

test('an object that is removed between read and write is made anew', async () => {
  const place = scene.open('removed')
  await scene.roll(place.order(scene.good))
  const order = place.order(scene.good, [deployment(), service(81)])
  let removed = false
  const racing: Cluster = {
    ...scene.cluster,
    async call(call, callWait) {
      if (!removed && call.method === 'PATCH' && call.path.endsWith('/services/web')) {
        removed = true
        await scene.cluster.call({ method: 'DELETE', path: call.path }, callWait)
      }
      return scene.cluster.call(call, callWait)
    },
  }
  const work = makeWork()
  successOf(await applyRelease(racing, stamped(order), { ...wait(), say: work.say }))
  expect(work.lines).toContain('Service/web created')
})
