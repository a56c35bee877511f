// Slow: six environments one after another, one of twelve Deployments, and a push after which nothing may have happened.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { successOf } from '../../contracts/target.ts'
import { kubeconfig, versionsOf, wait } from '../../world/cluster-scene.ts'
import { makeWorld } from '../../world/make-world.ts'
import { renderPrograms } from '../../world/render-programs.ts'
import { isOver } from '../../world/taxiway.ts'

const samples = join(import.meta.dirname, '../../samples/public')
const folder = mkdtempSync(join(tmpdir(), 'taxiway-public-sets-'))
let world: Awaited<ReturnType<typeof makeWorld>>
let cluster: Cluster
let sets: Record<string, { manifests: string; rules: object; workloads: number }>

beforeAll(async () => {
  cluster = connectCluster(kubeconfig())
  const { minor } = await versionsOf(cluster)
  sets = {
    guestbook: { manifests: 'guestbook', rules: {}, workloads: 3 },
    // Its probes speak gRPC, which the kubelet does since 1.24.
    ...(minor < 24 ? {} : { shop: { manifests: 'shop', rules: { loadBalancers: true }, workloads: 12 } }),
    voting: { manifests: 'voting', rules: { nodePorts: true }, workloads: 5 },
    board: { manifests: 'chart', rules: {}, workloads: 2 },
    staging: { manifests: 'kustomize/overlays/staging', rules: { loadBalancers: true }, workloads: 1 },
    production: { manifests: 'kustomize/overlays/production', rules: { loadBalancers: true }, workloads: 1 },
  }
  const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env
  world = await makeWorld({
    folder,
    target: 'kubernetes',
    environment: {
      REDIS_URL,
      DOCKER_HOST,
      TAXIWAY_REGISTRY,
      KUBECONFIG,
      PATH: `${renderPrograms()}:${process.env.PATH}`,
    },
    name: `acme/public-sets-${process.pid}`,
    say: () => {},
  })
  cpSync(samples, world.tree, { recursive: true })
  mkdirSync(join(world.tree, 'chart/charts'))
  for (const name of ['cache', 'names'])
    execFileSync('tar', ['-czf', join(world.tree, `chart/charts/${name}.tgz`), '-C', join(samples, 'subcharts'), name])
  for (const [name, { rules }] of Object.entries(sets)) {
    const ruled = await world.taxiway.call('PUT', `/repos/${world.repository.id}/environments/${name}`, rules)
    expect(ruled.status).toBe(200)
  }
})
afterAll(async () => {
  await world?.stop()
  for (const name of Object.keys(sets))
    await cluster.call({ method: 'DELETE', path: `/api/v1/namespaces/${namespaceOf(name)}` }, wait())
  cluster.close()
  rmSync(folder, { recursive: true, force: true })
})

const namespaceOf = (name: string) => `${world.namespace}-${name}`
const list = async (name: string, path: string) => {
  const [group, kind] = path.split(' ')
  const answer = await cluster.call<{ items: KubeObject[] }>(
    { method: 'GET', path: `${group}/namespaces/${namespaceOf(name)}/${kind}` },
    wait(),
  )
  return successOf(answer).body.items
}
const podsOf = async (name: string) =>
  (await list(name, '/api/v1 pods'))
    .filter(({ status }: any) => status.phase === 'Running')
    .map(({ metadata }: any) => metadata.uid)
    .sort()

async function push(files: Record<string, string>, message: string) {
  const environments = Object.entries(sets).map(([name, { manifests }]) => [
    name,
    { namespace: namespaceOf(name), manifests, timeout: '60s', soak: '0s' },
  ])
  const image = (name: string) => ({ context: 'images', dockerfile: `${name}.Dockerfile` })
  const pipeline = {
    version: 1,
    images: Object.fromEntries(['web', 'tcp', 'grpc', 'idle'].map((name) => [name, image(name)])),
    deploy: Object.fromEntries(environments),
  }
  const { runId } = await world.push({ ...files, '.taxiway.yaml': JSON.stringify(pipeline) }, message)
  return world.taxiway.waitRun(runId, isOver, 280_000)
}

test('five sets as people publish them roll out as they are, and a change of the README restarts none of it', async () => {
  const first = await push({}, 'Bring what there is')
  expect(first, await world.taxiway.log(first.id)).toMatchObject({ state: 'succeeded' })
  const before: Record<string, string[]> = {}
  for (const [name, { workloads }] of Object.entries(sets)) {
    const found = [
      ...(await list(name, '/apis/apps/v1 deployments')),
      ...(await list(name, '/apis/apps/v1 statefulsets')),
    ]
    expect(found, name).toHaveLength(workloads)
    before[name] = await podsOf(name)
    expect(before[name]?.length).toBeGreaterThanOrEqual(workloads)
  }
  const second = await push({ 'README.md': 'What these are.\n' }, 'Say what these are')
  expect(second).toMatchObject({ state: 'succeeded' })
  for (const name of Object.keys(sets)) expect(await podsOf(name), name).toEqual(before[name])
})
