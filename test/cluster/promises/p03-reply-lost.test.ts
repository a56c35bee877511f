import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startReadingProxy } from '../../faults/kubeconfig.ts'
import { type FaultProxy, startProxy } from '../../faults/proxy.ts'
import { checkOracle } from '../../oracle.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { eventually, expectRunning, expectStatuses } from '../../world/world.ts'

const { REDIS_URL = '', DOCKER_HOST = '', TAXIWAY_REGISTRY } = process.env
let world: Awaited<ReturnType<typeof makeWorld>>
const proxies: Record<string, FaultProxy> = {}
let version = 0

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-p03-'))
  const cluster = await startReadingProxy()
  proxies.cluster = cluster.proxy
  const redis = new URL(REDIS_URL)
  proxies.redis = await startProxy({ to: { host: redis.hostname, port: Number(redis.port) } })
  const engine = join(folder, 'engine.sock')
  proxies.engine = await startProxy({ to: { path: DOCKER_HOST.replace('unix://', '') }, listen: { path: engine } })
  const kubeconfig = join(folder, 'kubeconfig')
  writeFileSync(kubeconfig, cluster.kubeconfig)
  redis.port = String(proxies.redis.port)
  world = await makeWorld({
    folder,
    target: 'kubernetes',
    environment: {
      REDIS_URL: redis.href,
      DOCKER_HOST: `unix://${engine}`,
      KUBECONFIG: kubeconfig,
      TAXIWAY_REGISTRY,
    },
    name: `acme/lost-${process.pid}`,
    say: () => {},
  })
  await pushed('First')
}, 120_000)
afterAll(async () => {
  await world?.stop()
  for (const proxy of Object.values(proxies)) await proxy.close()
})

async function pushed(message: string) {
  version += 1
  const words = `version ${version}`
  const { sha, runId } = await world.push({ 'www/index.html': `${words}\n` }, message)
  const run = await world.taxiway.waitRun(runId, isOver, 120_000)
  expect(run, JSON.stringify(run.reason)).toMatchObject({ state: 'succeeded', releases: [{ state: 'live' }] })
  await expectRunning(world, run)
  await eventually(async () => expect((await world.visit()).trim()).toBe(words), 15_000)
  await expectStatuses(world, sha, { 'taxiway/build': 'success', 'taxiway/deploy (production)': 'success' })
  return run
}

/** The first words of the call whose reply is lost, after which its connection breaks. */
const calls: [string, string, RegExp][] = [
  ['the push is queued', 'redis', /Lose one reply of redis/],
  ['a container is made', 'engine', /POST \S*\/containers\/create/],
  ['a container is started', 'engine', /POST \S*\/containers\/\w+\/start/],
  ['an image is pushed', 'engine', /POST \S*\/images\/\S+\/push/],
  ['an object is applied', 'cluster', /PATCH \S*\/deployments\/web\?(?!\S*dryRun)/],
]
test.each(calls)('when the answer is lost once %s, the work is done, and done once', async (_when, part, call) => {
  const proxy = proxies[part] as FaultProxy
  let isLost = false
  void proxy
    .dropReply((asked) => call.test(asked.toString('latin1')))
    .then(() => {
      isLost = true
    })
  await pushed(`Lose one reply of ${part}`)
  expect(isLost).toBe(true)
  await checkOracle(world.observed)
})

test('statuses whose answers are lost arrive, and what the host holds is the truth', async () => {
  world.host.setFault({ mode: 'lost', only: 'api' })
  const { sha, runId } = await world.push({ 'www/index.html': 'version 99\n' }, 'Lose the answers of the git host')
  const run = await world.taxiway.waitRun(runId, isOver, 120_000)
  expect(run, await world.taxiway.log(runId)).toMatchObject({ state: 'succeeded' })
  await expectStatuses(world, sha, { 'taxiway/build': 'success' })
  world.host.setFault({ mode: 'ok' })
  // Who posts them waits a while after each that was lost.
  await checkOracle(world.observed)
  await expectStatuses(world, sha, { 'taxiway/build': 'success', 'taxiway/deploy (production)': 'success' })
})
