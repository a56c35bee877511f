import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectCluster } from '@taxiway/kubernetes/cluster/connection.ts'
import type { KubeObject } from '@taxiway/kubernetes/object.ts'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { successOf } from '../../contracts/target.ts'
import { kubeconfig, wait } from '../../world/cluster-scene.ts'
import { makeWorld } from '../../world/make-world.ts'
import { type Polling, pollWeb } from '../../world/polling.ts'
import { isOver, type RoleProcess } from '../../world/taxiway.ts'
import { expectRunning } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env
const cluster = connectCluster(kubeconfig())
let world: Awaited<ReturnType<typeof makeWorld>>
let deployer: RoleProcess
let polling: Polling | undefined
let pipeline: string
beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-canary-')),
    target: 'kubernetes',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG, TAXIWAY_LEASE_MS: '4000' },
    name: `acme/canary-${process.pid}`,
    roles: ['api', 'builder', 'status'],
    say: () => {},
  })
  deployer = await world.taxiway.start(['deployer'])
  pipeline = readFileSync(join(world.tree, '.taxiway.yaml'), 'utf8')
  expect(canary('2s')).not.toBe(pipeline)
  const first = await world.push({ '.taxiway.yaml': canary('2s'), 'www/index.html': 'version 1\n' }, 'Say version 1')
  // A first release has nobody to take over from.
  expect(await world.taxiway.waitRun(first.runId, isOver, 120_000)).toMatchObject({ state: 'succeeded' })
})
afterEach(() => polling?.stop())
afterAll(async () => {
  await world?.stop()
  cluster.close()
})

/** The sample's pipeline, with two steps: half of the pods are new for so long, then all but one. */
const canary = (pause: string, path = '/healthz') =>
  pipeline.replace(
    'timeout: 20s, soak: 1s',
    `timeout: 1m, soak: 1s, canary: {
      steps: [{ weight: 50, pause: ${pause} }, { weight: 60, pause: 2s }], analysis: [{ http: ${path}, success: 99 }] }`,
  )
const list = async (path: string): Promise<KubeObject[]> => {
  const call = { method: 'GET', path: path.replace('*', world.namespace) } as const
  return successOf(await cluster.call<{ items: KubeObject[] }>(call, wait())).body.items
}
const deployments = async () =>
  Object.fromEntries(
    (await list('/apis/apps/v1/namespaces/*/deployments')).map(({ metadata, spec }) => [
      metadata.name,
      { replicas: (spec as { replicas: number }).replicas, run: metadata.annotations?.['taxiway.dev/run'] },
    ]),
  )
const progress = (wanted: string) => (run: { releases: { progress?: string }[] }) =>
  run.releases.at(-1)?.progress === wanted
/** The pause of the step has begun, as the cluster has it. */
async function stepReached(runId: string, step: number): Promise<void> {
  for (;;) {
    const beside = (await list('/apis/apps/v1/namespaces/*/deployments')).find(
      ({ metadata }) => metadata.name === 'web-canary' && metadata.annotations?.['taxiway.dev/run'] === runId,
    )
    if (beside?.metadata.annotations?.['taxiway.dev/step'] === String(step)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

test('a step that fails is told with its measure, and the version before serves on', async () => {
  polling = await pollWeb(world.namespace, kubeconfig().kubeconfig)
  const bad = await world.push(
    { '.taxiway.yaml': canary('20s', '/missing'), 'www/index.html': 'version bad\n' },
    'Say bad',
  )
  await world.taxiway.waitRun(bad.runId, progress('canary 50 %'), 60_000)
  const run = await world.taxiway.waitRun(bad.runId, isOver, 120_000)
  expect(run).toMatchObject({
    state: 'failed',
    reason: { code: 'deploy_unhealthy' },
    releases: [{ state: 'restored' }],
  })
  expect(run.reason.message).toMatch(
    /^web: canary at 50 %: 0 % of answers were good, 99 wanted; the last bad one was 404; rolled back to [0-9a-f]{7}\.$/,
  )
  await polling.stop()
  expect(polling.failed).toEqual([])
  expect(Object.keys(await deployments())).toEqual(['web'])
  expect((await world.visit()).trim()).toBe('version 1')
}, 240_000)

test('a deployer killed in a pause is continued at the step it had reached', async () => {
  polling = await pollWeb(world.namespace, kubeconfig().kubeconfig)
  const next = await world.push({ '.taxiway.yaml': canary('8s'), 'www/index.html': 'version 2\n' }, 'Say version 2')
  await stepReached(next.runId, 1)
  expect(await deployments()).toMatchObject({ web: { replicas: 1 }, 'web-canary': { replicas: 1, run: next.runId } })
  await deployer.kill('SIGKILL')
  deployer = await world.taxiway.start(['deployer'])
  const run = await world.taxiway.waitRun(next.runId, isOver, 120_000)
  expect(run).toMatchObject({ state: 'succeeded', attempt: 2 })
  const log = await world.taxiway.log(next.runId)
  expect(log).toContain('goes on at step 1 of 2, which an earlier attempt had reached')
  expect(log).toMatch(/canary 60 %, 0 s of 2 s/)
  await expectRunning(world, run)
  expect(await deployments()).toEqual({ web: { replicas: 2, run: next.runId } })
  await polling.stop()
  expect(polling.failed).toEqual([])
}, 240_000)

test('a newer push in the middle of a canary takes over, and nothing of the older one is left', async () => {
  polling = await pollWeb(world.namespace, kubeconfig().kubeconfig)
  const older = await world.push({ '.taxiway.yaml': canary('60s'), 'www/index.html': 'version 3\n' }, 'Say version 3')
  await stepReached(older.runId, 1)
  const newer = await world.push({ '.taxiway.yaml': canary('2s'), 'www/index.html': 'version 4\n' }, 'Say version 4')
  const live = await world.taxiway.waitRun(newer.runId, isOver, 180_000)
  expect(live).toMatchObject({ state: 'succeeded' })
  const ended = await world.taxiway.waitRun(older.runId, isOver, 10_000)
  expect(ended).toMatchObject({ state: 'superseded', releases: [{ state: 'superseded' }] })
  await expectRunning(world, live)
  expect(await deployments()).toEqual({ web: { replicas: 2, run: newer.runId } })
  await polling.stop()
  expect(polling.failed).toEqual([])
}, 240_000)

test('cancelled in a pause, it goes back', async () => {
  polling = await pollWeb(world.namespace, kubeconfig().kubeconfig)
  const { runId } = await world.push(
    { '.taxiway.yaml': canary('60s'), 'www/index.html': 'version 5\n' },
    'Say version 5',
  )
  await stepReached(runId, 1)
  await world.taxiway.call('POST', `/runs/${runId}/cancel`)
  const run = await world.taxiway.waitRun(runId, isOver, 60_000)
  expect(run).toMatchObject({ state: 'cancelled' })
  const live = await deployments()
  expect(Object.keys(live)).toEqual(['web'])
  expect(live.web?.replicas).toBe(2)
  expect((await world.visit()).trim()).toBe('version 4')
  await polling.stop()
  expect(polling.failed).toEqual([])
}, 240_000)
