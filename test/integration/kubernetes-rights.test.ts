import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Cluster, connectCluster } from '@taxiway/kubernetes/cluster.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse, parseAllDocuments, stringify } from 'yaml'
import type { Target } from '../../services/deployer/target.ts'
import { makeKubernetesTarget } from '../../services/deployer/targets/kubernetes.ts'
import { clusterScene, failureOf, kubeconfig, wait } from '../contracts/cluster-scene.ts'
import { serving } from '../contracts/images.ts'
import { makeWork, successOf } from '../contracts/target.ts'

const manifest = join(import.meta.dirname, '..', '..', 'deploy', 'kubernetes', 'deployer-rbac.yaml')
const account = 'taxiway-deployer'
const home = `taxiway-rights-${process.pid}`
const scene = clusterScene()
const place = scene.open('rights')
let folder: string
let deployer: Cluster
let target: Target

const roleName = `${account}-${process.pid}`
const rbac = '/apis/rbac.authorization.k8s.io/v1'

/** The file as it stands, its names changed to those of this test. */
function readManifest(): KubeObject[] {
  const text = readFileSync(manifest, 'utf8')
    .replaceAll(/namespace: taxiway\b/g, `namespace: ${home}`)
    .replaceAll(/\bshop\b/g, place.namespace)
    .replace(/kind: ClusterRole\nmetadata: \{ name: \S+ \}/, `kind: ClusterRole\nmetadata: { name: ${roleName} }`)
    .replace(`kind: ClusterRole, name: ${account}`, `kind: ClusterRole, name: ${roleName}`)
  return parseAllDocuments(text).map((document) => document.toJS())
}

async function create({ kind, metadata, ...rest }: KubeObject): Promise<void> {
  const inNamespace = `namespaces/${metadata.namespace}`
  const paths: Record<string, string> = {
    Namespace: '/api/v1/namespaces',
    ServiceAccount: `/api/v1/${inNamespace}/serviceaccounts`,
    ClusterRole: `${rbac}/clusterroles`,
    RoleBinding: `${rbac}/${inNamespace}/rolebindings`,
  }
  const body = { kind, metadata, ...rest }
  const made = successOf(await scene.cluster.call({ method: 'POST', path: paths[kind] ?? '', body }, wait()))
  expect([kind, made.status, made.status === 201 ? '' : made.body]).toEqual([kind, 201, ''])
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-rights-'))
  await create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: home } })
  for (const object of readManifest()) await create(object)
  const path = `/api/v1/namespaces/${home}/serviceaccounts/${account}/token`
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 3600 } }
  const made = successOf(
    await scene.cluster.call<{ status: { token: string } }>({ method: 'POST', path, body }, wait()),
  )
  const admin = parse(readFileSync(kubeconfig().kubeconfig, 'utf8'))
  for (const one of admin.users) one.user = { token: made.body.status.token }
  const file = join(folder, 'kubeconfig')
  writeFileSync(file, stringify(admin), { mode: 0o600 })
  deployer = connectCluster({ kubeconfig: file })
  target = makeKubernetesTarget({ kubeconfig: file })
})
afterAll(async () => {
  deployer?.close()
  for (const path of [`/api/v1/namespaces/${home}`, `${rbac}/clusterroles/${roleName}`])
    await scene.cluster.call({ method: 'DELETE', path }, wait())
  rmSync(folder, { recursive: true, force: true })
})

test('with the rights of the manifest a release becomes live, and a bad one is explained and undone', async () => {
  const roll = async (order: ReturnType<typeof place.order>) => {
    successOf(await target.dryRun(order, makeWork()))
    successOf(await target.apply(order, makeWork()))
    return successOf(await target.watch(order, makeWork()))
  }
  const good = place.order(await scene.images.publish('rights', serving('rights')))
  expect(await roll(good)).toMatchObject({ healthy: true })
  successOf(await target.prune(good, makeWork()))
  const bad = place.order(await scene.images.publish('rights-crash', 'echo PORT missing; exit 3'))
  const verdict = await roll(bad)
  expect(!verdict.healthy && verdict.detail).toMatch(/^web: .*exit 3.*: PORT missing$/)
  const restoring = { failed: bad, previous: good, generation: place.nextGeneration() }
  expect(successOf(await target.restore(restoring, makeWork()))).toMatchObject({ complete: true })
})

test('what the account may not do is told: which account, what, and where', async () => {
  const elsewhere = scene.open('rights-elsewhere')
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: elsewhere.namespace } }
  successOf(await scene.cluster.call({ method: 'POST', path: '/api/v1/namespaces', body: namespace }, wait()))
  const order = elsewhere.order(await scene.images.publish('rights', serving('rights')))
  const reason = failureOf(await target.dryRun(order, makeWork()))
  expect(reason).toEqual({
    code: 'cluster_forbidden',
    message: `The cluster refused: account system:serviceaccount:${home}:${account} may not get configmaps in namespace ${elsewhere.namespace}.`,
  })
})

test.each([
  ['read secrets', 'GET', '/api/v1/namespaces/*/secrets'],
  ['give rights', 'POST', `${rbac}/namespaces/*/rolebindings`],
  ['make pods by hand', 'POST', '/api/v1/namespaces/*/pods'],
  ['make namespaces', 'POST', '/api/v1/namespaces'],
  ['look into other namespaces', 'GET', '/api/v1/namespaces/kube-system/configmaps'],
  ['run programs in pods', 'POST', '/api/v1/namespaces/*/pods/web/exec?command=id'],
] as const)('with the rights of the manifest nobody may %s', async (_what, method, path) => {
  const call = {
    method,
    path: path.replace('*', place.namespace),
    may403: true,
    ...(method === 'POST' ? { body: {} } : {}),
  }
  expect(successOf(await deployer.call(call, wait())).status).toBe(403)
})
