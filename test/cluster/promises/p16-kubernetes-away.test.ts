import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { apiServer, kubeconfigThrough } from '../../faults/kubeconfig.ts'
import { type FaultProxy, startProxy } from '../../faults/proxy.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { eventually, expectRunning, expectStatuses } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env
const silentMs = 20_000
let world: Awaited<ReturnType<typeof makeWorld>>
let proxy: FaultProxy
let pipeline = ''

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-p16-'))
  proxy = await startProxy({ to: apiServer() })
  const kubeconfig = join(folder, 'kubeconfig')
  writeFileSync(kubeconfig, kubeconfigThrough(proxy))
  world = await makeWorld({
    folder,
    target: 'kubernetes',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG },
    name: `acme/silent-${process.pid}`,
    roles: ['api', 'builder', 'status'],
    say: () => {},
  })
  // Only the deployer goes through the proxy; what really runs is asked directly.
  await world.taxiway.start(['deployer'], { KUBECONFIG: kubeconfig })
  pipeline = JSON.stringify({
    version: 1,
    images: { web: {} },
    deploy: { production: { on: { branch: 'main' }, namespace: world.namespace, manifests: 'k8s/', timeout: '2m' } },
  })
  const { runId } = await world.push({ '.taxiway.yaml': pipeline, 'www/index.html': 'version 1\n' }, 'Say version 1')
  await expectLive(runId, 'version 1')
})
afterAll(async () => {
  await proxy?.pass()
  await world?.stop()
  await proxy?.close()
})

async function expectLive(runId: string, words: string) {
  const run = await world.taxiway.waitRun(runId, isOver, 120_000)
  expect(run).toMatchObject({ state: 'succeeded', attempt: 1, releases: [{ state: 'live' }] })
  await expectRunning(world, run)
  await eventually(async () => expect((await world.visit()).trim()).toBe(words), 15_000)
  return run
}

/** The API server falls silent once the log of the run says these words. */
const moments: [string, RegExp][] = [
  ['before a roll-out', /✓ publish/],
  ['in the middle of a roll-out', /applying release/],
]
test.each(moments)(
  'an API that falls silent for 20 s %s is waited for, and nothing is half applied',
  async (when, words) => {
    const say = `version of ${when}`
    const { sha, runId } = await world.push({ 'www/index.html': `${say}\n` }, `Fall silent ${when}`)
    await eventually(async () => expect(await world.taxiway.log(runId)).toMatch(words), 60_000)
    const before = (await world.visit()).trim()
    await proxy.blackHole()
    const until = performance.now() + silentMs
    const seen = new Set<string>()
    while (performance.now() < until) {
      seen.add((await world.visit()).trim())
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    const meanwhile = (await world.taxiway.call('GET', `/runs/${runId}`)).body
    await proxy.pass()
    expect(meanwhile.state).toBe('running')
    // All that was taken before the silence, or nothing: both answer.
    expect([before, say]).toEqual(expect.arrayContaining([...seen]))
    await expectLive(runId, say)
    expect(await world.taxiway.log(runId)).toMatch(/Kubernetes API unreachable for 1\d s, retrying/)
    await expectStatuses(world, sha, { 'taxiway/deploy (production)': 'success' })
  },
)
