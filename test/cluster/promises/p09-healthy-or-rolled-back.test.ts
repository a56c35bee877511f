// Slow: eleven pushes, one of which soaks until it crashes after 25 s, and two wait out the 30 s they have to become ready.
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cluster } from '@taxiway/kubernetes/cluster/call.ts'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { successOf } from '../../contracts/target.ts'
import { configMap, kubeconfig, wait } from '../../world/cluster-scene.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver, type RoleProcess } from '../../world/taxiway.ts'
import { eventually, expectStatuses } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env
let world: Awaited<ReturnType<typeof makeWorld>>
let deployer: RoleProcess
let cluster: Cluster
/** The sample's own files, to be changed. */
let pipeline = ''
let manifest = ''

beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-p09-')),
    target: 'kubernetes',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG },
    name: `acme/well-${process.pid}`,
    roles: ['api', 'builder', 'status'],
    say: () => {},
  })
  deployer = await world.taxiway.start(['deployer'])
  cluster = connectCluster(kubeconfig())
  pipeline = readFileSync(join(world.tree, '.taxiway.yaml'), 'utf8').replace('timeout: 20s', 'timeout: 30s')
  manifest = readFileSync(join(world.tree, 'k8s/web.yaml'), 'utf8')
})
afterAll(async () => {
  cluster?.close()
  await world?.stop()
})

const read = async (path: string) =>
  successOf(await cluster.call<KubeObject>({ method: 'GET', path: path.replace('*', world.namespace) }, wait()))
const deployed = async () => (await read('/apis/apps/v1/namespaces/*/deployments/web')).body
const push = async (files: Record<string, string | undefined>, message: string) => {
  const { sha, runId } = await world.push(files, message)
  return { sha, run: await world.taxiway.waitRun(runId, isOver, 150_000) }
}

test('a rollback whose deployer is killed is finished by the next one, which does not try the failed release again', async () => {
  // Old pods end before new ones start, and those are slow, so giving the old ones back takes its time.
  const slow = manifest
    .replace(/strategy: .*/, 'strategy: { type: Recreate }')
    .replace('[sleep, "3"]', '["true"]')
    .replace('terminationGracePeriodSeconds: 10', 'terminationGracePeriodSeconds: 1')
    .replace('periodSeconds: 1 }', 'periodSeconds: 1, initialDelaySeconds: 4 }')
  const good = await push({ '.taxiway.yaml': pipeline, 'k8s/web.yaml': slow, 'www/index.html': 'version 1\n' }, 'Say 1')
  expect(good.run).toMatchObject({ state: 'succeeded' })
  const { sha, runId } = await world.push({ 'www/index.html': 'version 2\n', 'www/healthz': undefined }, 'Lose health')
  const restoring = (run: { releases: { state: string }[] }) => run.releases.at(-1)?.state === 'restoring'
  await world.taxiway.waitRun(runId, restoring, 60_000)
  await eventually(async () => {
    expect((await deployed()).metadata.annotations?.['taxiway.dev/run']).toBe(good.run.id)
  }, 5_000)
  await deployer.kill('SIGKILL')
  deployer = await world.taxiway.start(['deployer'])
  const run = await world.taxiway.waitRun(runId, isOver, 90_000)
  expect(run).toMatchObject({
    state: 'failed',
    attempt: 2,
    reason: { code: 'deploy_unhealthy' },
    releases: [{ state: 'restored', explanation: { workload: 'Deployment/web' } }],
  })
  expect(run.reason.message).toMatch(/^web: .*; rolled back to/)
  expect(run.reason.message).toContain(good.sha.slice(0, 7))
  expect(await world.taxiway.log(runId)).toContain('going on to take back release 2')
  expect((await world.visit()).trim()).toBe('version 1')
  await expectStatuses(world, sha, { 'taxiway/deploy (production)': 'failure' })
})

test('a crash within the soak time turns release and status red, and is rolled back', async () => {
  const healthy = await push(
    { 'k8s/web.yaml': manifest, 'www/healthz': 'ok\n', 'www/index.html': 'version 3\n' },
    'Say 3',
  )
  expect(healthy.run).toMatchObject({ state: 'succeeded' })
  const serve = readFileSync(join(world.tree, 'serve.sh'), 'utf8')
  const dying = 'httpd -f -p 8080 -h /www &\nsleep 25\necho out of connections\nexit 3\n'
  const soaking = pipeline.replace('soak: 1s', 'soak: 40s')
  const { sha, run } = await push({ '.taxiway.yaml': soaking, 'serve.sh': dying }, 'Die after a while')
  expect(run).toMatchObject({
    state: 'failed',
    reason: { code: 'deploy_unhealthy' },
    releases: [{ state: 'restored', explanation: { cause: 'crash', exitCode: 3 } }],
  })
  expect(run.reason.message).toBe(
    `web: did not stay healthy: exit 3: out of connections; rolled back to ${healthy.sha.slice(0, 7)}.`,
  )
  await expectStatuses(world, sha, { 'taxiway/deploy (production)': 'failure' })
  expect((await world.visit()).trim()).toBe('version 3')
  await push({ '.taxiway.yaml': pipeline, 'serve.sh': serve }, 'Live again')
})

test('where the pipeline wants no rollback, a failed release is left as it is, and said so', async () => {
  const keeping = pipeline.replace('soak: 1s', 'soak: 1s, rollback: false')
  const { sha, run } = await push({ '.taxiway.yaml': keeping, 'www/healthz': undefined }, 'Lose health for good')
  expect(run).toMatchObject({ state: 'failed', releases: [{ state: 'failed', explanation: { cause: 'not_ready' } }] })
  expect(run.reason.message).toMatch(/^web: never ready: .*; it is left as it is, because rollback is false\.$/)
  expect((await deployed()).metadata.annotations?.['taxiway.dev/run']).toBe(run.id)
  await expectStatuses(world, sha, { 'taxiway/deploy (production)': 'failure' })
})

test('most objects at once are not removed: the run succeeds with a note, and prune: all removes them', async () => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const more = names.map((name) => JSON.stringify(configMap(`more-${name}`, {}))).join('\n---\n')
  const count = async () =>
    (await Promise.all(names.map((name) => read(`/api/v1/namespaces/*/configmaps/more-${name}`)))).filter(
      ({ status }) => status === 200,
    ).length
  const added = await push({ '.taxiway.yaml': pipeline, 'www/healthz': 'ok\n', 'k8s/more.yaml': more }, 'More')
  expect([added.run.state, await count()]).toEqual(['succeeded', 5])
  const lost = await push({ 'k8s/more.yaml': undefined }, 'Lose most of it')
  expect(lost.run).toMatchObject({ state: 'succeeded', notes: [{ code: 'prune_held' }] })
  expect(lost.run.notes[0].message).toMatch(/^5 of 7 objects are not in this release.*ConfigMap\/more-a/)
  expect(await count()).toBe(5)
  const wanted = await push({ '.taxiway.yaml': pipeline.replace('soak: 1s', 'soak: 1s, prune: all') }, 'Remove it')
  expect([wanted.run.state, wanted.run.notes ?? [], await count()]).toEqual(['succeeded', [], 0])
})
