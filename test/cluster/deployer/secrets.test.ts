import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeKubernetesTarget } from '../../../services/deployer/target/kubernetes.ts'
import { deployment, makeWork, successOf } from '../../contracts/target.ts'
import { type Account, makeAccount } from '../../world/account.ts'
import { clusterScene, wait } from '../../world/cluster-scene.ts'

const scene = clusterScene()
const place = scene.open('secrets')
const bare = scene.open('secrets-bare')
const path = '/api/v1/namespaces/*/secrets/given'
const secrets = [{ name: 'given', keys: ['TOKEN'] }]
const env = [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'given', key: 'TOKEN' } } }]
const valued = (values: Record<string, string>) => ({ ...makeWork(), secretValues: async () => values })
let giver: Account
let plain: Account
beforeAll(async () => {
  giver = await makeAccount(`taxiway-secrets-${process.pid}`, [place.namespace], ['--secrets'])
  plain = await makeAccount(`taxiway-secrets-bare-${process.pid}`, [bare.namespace])
})
afterAll(() => {
  giver?.remove()
  plain?.remove()
})

test('an account without the right learns it before anything is changed, and what gives it', async () => {
  const target = makeKubernetesTarget({ kubeconfig: plain.kubeconfig })
  const outcome = await target.dryRun({ ...bare.order(scene.good), secrets }, makeWork())
  expect(outcome.ok ? undefined : outcome.reason).toMatchObject({
    code: 'cluster_forbidden',
    message: expect.stringContaining('taxiway cluster rbac --secrets'),
  })
})

test('a Secret is made with the release and goes with the next, by an account that can neither read nor change it', async () => {
  const target = makeKubernetesTarget({ kubeconfig: giver.kubeconfig })
  const order = { ...place.order(scene.good, [deployment({ env })]), secrets }
  successOf(await target.dryRun(order, makeWork()))
  successOf(await target.apply(order, valued({ TOKEN: 'one' })))
  expect(successOf(await target.watch(order, makeWork()))).toMatchObject({ healthy: true })
  // Applied again after a crash, it is what it was.
  successOf(await target.apply(order, valued({ TOKEN: 'two' })))
  expect(await scene.read(place, path)).toMatchObject({ immutable: true, data: { TOKEN: btoa('one') } })
  successOf(await target.apply(order, valued({})))
  const cluster = connectCluster({ kubeconfig: giver.kubeconfig })
  for (const call of [
    { method: 'GET', path: '/api/v1/namespaces/*/secrets' },
    { method: 'GET', path },
    { method: 'PATCH', path, body: {}, contentType: 'application/merge-patch+json' },
    { method: 'PUT', path, body: {} },
  ] as const) {
    const asked = { ...call, path: call.path.replace('*', place.namespace), may403: true }
    expect(successOf(await cluster.call(asked, wait())).status).toBe(403)
  }
  cluster.close()
  const next = place.order(scene.good)
  successOf(await target.apply(next, makeWork()))
  expect(successOf(await target.watch(next, makeWork()))).toMatchObject({ healthy: true })
  successOf(await target.prune(next, makeWork()))
  expect(await scene.read(place, path)).toBeUndefined()
})

test('one that is gone is made anew with present values, and missed when there are none', async () => {
  const target = makeKubernetesTarget({ kubeconfig: giver.kubeconfig })
  const order = { ...place.order(scene.good, [deployment({ env })]), secrets }
  const outcome = await target.apply(order, valued({}))
  expect(outcome.ok ? undefined : outcome.reason.code).toBe('secret_missing')
  successOf(await target.apply(order, valued({ TOKEN: 'three' })))
  expect(await scene.read(place, path)).toMatchObject({ data: { TOKEN: btoa('three') } })
})
