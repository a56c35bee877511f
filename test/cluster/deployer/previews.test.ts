import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Call, Cluster } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeKubernetesTarget } from '../../../services/deployer/target/kubernetes.ts'
import { makeWork, successOf } from '../../contracts/target.ts'
import { makeAccount } from '../../world/account.ts'
import { clusterScene } from '../../world/cluster-scene.ts'
import { makeWorld } from '../../world/make-world.ts'
import { noticedMs, previewScene } from '../../world/preview-scene.ts'
import { eventually } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env
const name = `acme/previews-${process.pid}`
const held = 'taxiway.example.com/held'
let world: Awaited<ReturnType<typeof makeWorld>>
let scene: ReturnType<typeof previewScene>
let cluster: Cluster
const contract = clusterScene()
beforeAll(async () => {
  cluster = connectCluster({ kubeconfig: KUBECONFIG ?? '' })
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-kubernetes-previews-')),
    target: 'kubernetes',
    environment: {
      REDIS_URL,
      DOCKER_HOST,
      TAXIWAY_REGISTRY,
      KUBECONFIG,
      TAXIWAY_PREVIEW_LOOK_MS: '5000',
      TAXIWAY_PREVIEW_REMOVE_MS: '20000',
    },
    name,
    say: () => {},
  })
  scene = previewScene(world)
  await scene.allow('members')
})
afterAll(async () => {
  for (const number of [1, 2, 3, 4, 5]) {
    await patch(number, { metadata: { finalizers: null } }).catch(() => {})
    await ask({ method: 'DELETE', path: pathOf(number) }).catch(() => {})
  }
  cluster?.close()
  await world?.stop()
})

const pathOf = (number: number) => `/api/v1/namespaces/${world.namespace}-preview-${number}`
async function ask(call: Call) {
  const wait = { untilMs: performance.now() + 10_000, signal: new AbortController().signal, say: () => {} }
  const answer = await cluster.call<KubeObject & { status?: { phase?: string } }>(call, wait)
  if (!answer.ok) throw new Error(answer.reason.message)
  return answer.value
}
const patch = (number: number, body: object) =>
  ask({ method: 'PATCH', path: pathOf(number), contentType: 'application/merge-patch+json', body })
const namespace = (number: number) => ask({ method: 'GET', path: pathOf(number) })
/** Kubernetes 1.20 keeps the record of a pod until the kubelet's next clearing, once a minute; the namespace waits for that. */
const clearedMs = 120_000
const isGone = (number: number, forMs = noticedMs + clearedMs) =>
  eventually(async () => expect((await namespace(number)).status).toBe(404), forMs)
const close = async (number: number, { sha, branch }: { sha: string; branch: string }) =>
  world.host.pullRequest(name, { number, sha, branch, action: 'closed' })

test('two pull requests have each a namespace, a push goes on in it, and closing removes it whole', async () => {
  const first = await scene.propose(1, 'one')
  expect(first.run).toMatchObject({ state: 'succeeded' })
  await scene.propose(2, 'two')
  await scene.says(1, 'one')
  await scene.says(2, 'two')
  const before = (await namespace(1)).body.metadata
  expect(before.labels).toMatchObject({
    'app.kubernetes.io/managed-by': 'taxiway',
    'taxiway.dev/repository': world.repository.id,
    'taxiway.dev/environment': 'preview.1',
    'taxiway.dev/preview': '1',
    'pod-security.kubernetes.io/enforce': 'baseline',
  })
  const next = await scene.propose(1, 'one again')
  expect(next.run.releases).toMatchObject([{ environment: 'preview.1', generation: 2, state: 'live' }])
  await scene.says(1, 'one again')
  const after = (await namespace(1)).body.metadata
  expect(after.uid).toBe(before.uid)
  expect(after.annotations).toMatchObject({ 'taxiway.dev/run': next.run.id })
  await close(1, next)
  await isGone(1, 15_000 + clearedMs)
  await scene.gone(1, 60_000)
  await scene.says(2, 'two')
  const anew = await scene.propose(1, 'one anew')
  expect(anew.run.releases).toMatchObject([{ generation: 3, state: 'live' }])
  expect((await namespace(1)).body.metadata.uid).not.toBe(before.uid)
})

test('one that can not be removed says why, and holds up no other', async () => {
  const stuck = await scene.propose(3, 'three')
  const other = await scene.propose(4, 'four')
  await patch(3, { metadata: { finalizers: [held] } })
  await Promise.all([close(3, stuck), close(4, other)])
  // That of the first is still there: nobody lifts what holds it.
  await isGone(4, 15_000 + clearedMs)
  const trouble = await eventually(async () => {
    const { body } = await scene.read('preview.3')
    expect(body.preview?.trouble).toBeDefined()
    return body.preview.trouble
  }, 150_000)
  expect(trouble.code).toBe('preview_stuck')
  expect(trouble.message).toContain(held)
  expect((await namespace(3)).body.status?.phase).toBe('Terminating')
  // Another that closes meanwhile goes as well, and a push to one that stands is deployed.
  world.host.closePullRequest(name, 1)
  expect((await scene.propose(2, 'two again')).run).toMatchObject({ state: 'succeeded' })
  await isGone(1)
  await patch(3, { metadata: { finalizers: null } })
  await isGone(3, 15_000 + clearedMs)
  await scene.gone(3, 150_000)
}, 600_000)

test('a namespace that was there before is not taken, and stays when the pull request is closed', async () => {
  const path = `${pathOf(5)}/configmaps`
  const metadata = { name: pathOf(5).split('/').at(-1) }
  await ask({ method: 'POST', path: '/api/v1/namespaces', body: { apiVersion: 'v1', kind: 'Namespace', metadata } })
  await ask({ method: 'POST', path, body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'theirs' } } })
  const proposed = await scene.propose(5, 'five')
  expect(proposed.run).toMatchObject({ state: 'failed', reason: { code: 'namespace_taken' } })
  await close(5, proposed)
  await eventually(async () => expect(await scene.read('preview.5')).toMatchObject({ status: 404 }), 60_000)
  expect((await namespace(5)).body.status?.phase).toBe('Active')
  const list = (await ask({ method: 'GET', path })).body as unknown as { items: KubeObject[] }
  const names = list.items.map((one) => one.metadata.name)
  expect(names).toContain('theirs')
  expect(names.filter((one) => one.startsWith('taxiway-'))).toEqual([])
})

test('what is printed for previews is enough to make and remove them, and to find those without a record', async () => {
  const home = `taxiway-previews-${process.pid}`
  const account = await makeAccount(home, [], ['--previews'])
  const place = contract.open('preview-account')
  try {
    const target = makeKubernetesTarget({ kubeconfig: account.kubeconfig })
    const order = { ...place.order(contract.good), preview: 9 }
    successOf(await target.dryRun(order, makeWork()))
    successOf(await target.apply(order, makeWork()))
    expect(successOf(await target.watch(order, makeWork()))).toMatchObject({ healthy: true })
    const { repositoryId, environment, namespace: named } = order
    const where = { repositoryId, environment, namespace: named }
    expect(successOf((await target.previews?.(makeWork())) ?? fail())).toContainEqual(where)
    const lost = await target.remove(where, async () => false, makeWork())
    expect(lost).toMatchObject({ reason: { code: 'removal_overtaken' } })
    const others = await target.remove({ ...where, environment: 'production' }, async () => true, makeWork())
    expect(others).toMatchObject({ ok: true })
    expect(await contract.read(place, '/api/v1/namespaces/*')).toMatchObject({ status: { phase: 'Active' } })
    successOf(await target.remove(where, async () => true, makeWork(30_000 + clearedMs)))
    expect(await contract.read(place, '/api/v1/namespaces/*')).toBeUndefined()
    successOf(await target.remove(where, async () => true, makeWork()))
  } finally {
    for (const kind of ['clusterroles', 'clusterrolebindings']) {
      const path = `/apis/rbac.authorization.k8s.io/v1/${kind}/${home}.taxiway-deployer.previews`
      await ask({ method: 'DELETE', path }).catch(() => {})
    }
    account.remove()
  }
})

const fail = (): never => {
  throw new Error('a cluster lists its previews')
}
