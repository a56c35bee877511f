import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Docker from 'dockerode'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { oracleAfterEach } from '../oracle/after-each.ts'
import { makeWorld } from '../world/make-world.ts'
import { isOver } from '../world/taxiway.ts'
import { eventually } from '../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
const docker = new Docker({ socketPath: (DOCKER_HOST ?? '').replace(/^unix:\/\//, '') })
let world: Awaited<ReturnType<typeof makeWorld>>
let count = 0
beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-p05-'))
  world = await makeWorld({
    folder,
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY },
    name: `acme/killed-${count++}-${process.pid}`,
    roles: ['api', 'status'],
    say: () => {},
  })
  // Build and test only: nothing is deployed here.
  writeFileSync(
    join(world.tree, '.taxiway.yaml'),
    'version: 1\nimages: { web: {} }\ntest: { slow: { image: web, run: ["echo started", "sleep 4", "echo done"] } }\n',
  )
})
afterEach(() => world?.stop())
oracleAfterEach(() => world.observed)

const testing = (run: { stages: { name: string; state: string }[] }) =>
  run.stages.some(({ name, state }) => name === 'test' && state === 'running')
const leftovers = async (runId: string) => {
  const filters = { label: [`taxiway.run=${runId}`] }
  const [containers, networks, images] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listImages({ filters: { reference: [`taxiway-work/${runId}`] } }),
  ])
  return containers.length + networks.length + images.length
}
const started = (log: string) => log.split('\n').filter((line) => line === 'started').length

test('a run whose builder is killed goes on with another, after its last finished stage, and leaves nothing behind', async () => {
  const builder = await world.taxiway.start(['builder'])
  const { runId } = await world.push({}, 'Take a while')
  await world.taxiway.waitRun(runId, testing, 60_000)
  await eventually(async () => expect(await world.taxiway.log(runId)).toContain('started'), 10_000)
  await builder.kill('SIGKILL')
  await world.taxiway.start(['builder'])
  const run = await world.taxiway.waitRun(runId, isOver, 60_000)
  expect(run).toMatchObject({ state: 'succeeded', attempt: 2 })
  expect(run.stages.find(({ name }: { name: string }) => name === 'build').state).toBe('succeeded')
  const log = await world.taxiway.log(runId)
  expect([started(log), log.match(/building image web/g)?.length]).toEqual([2, 1])
  await eventually(async () => expect(await leftovers(runId)).toBe(0), 45_000)
})

test('a builder that was frozen while another took over writes nothing more, and its container goes', async () => {
  // How long a lease lasts is told by the run that is killed; here it is only to run out.
  const environment = { TAXIWAY_LEASE_MS: '4000' }
  const frozen = await world.taxiway.start(['builder'], environment)
  const { runId } = await world.push({}, 'Take a while')
  await world.taxiway.waitRun(runId, testing, 60_000)
  await frozen.kill('SIGSTOP')
  await world.taxiway.start(['builder'], environment)
  const run = await world.taxiway.waitRun(runId, isOver, 90_000)
  expect(run).toMatchObject({ state: 'succeeded', attempt: 2 })
  const log = await world.taxiway.log(runId)
  await frozen.kill('SIGCONT')
  await new Promise((resolve) => setTimeout(resolve, 5000))
  expect((await world.taxiway.call('GET', `/runs/${runId}`)).body).toEqual(run)
  expect(await world.taxiway.log(runId)).toBe(log)
  await eventually(async () => expect(await leftovers(runId)).toBe(0), 45_000)
})

test('a builder told to stop gives its run back at once, and another goes on with it', async () => {
  const builder = await world.taxiway.start(['builder'], { TAXIWAY_DRAIN_MS: '500' })
  const { runId } = await world.push({}, 'Take a while')
  await world.taxiway.waitRun(runId, testing, 60_000)
  const stopped = builder.kill('SIGTERM')
  await world.taxiway.start(['builder'])
  await stopped
  expect(builder.child.exitCode).toBe(0)
  const run = await world.taxiway.waitRun(runId, isOver, 60_000)
  expect(run, await world.taxiway.log(runId)).toMatchObject({ state: 'succeeded', attempt: 2 })
})

test('cancelling a run in the middle of its test ends it, and its container, within 12 seconds', async () => {
  // What is promised is promised with the grace that people get.
  await world.taxiway.start(['builder'], { TAXIWAY_STOP_MS: '10000' })
  writeFileSync(
    join(world.tree, '.taxiway.yaml'),
    'version: 1\nimages: { web: {} }\ntest: { stubborn: { image: web, run: ["trap true TERM", "while true; do sleep 1; done"] } }\n',
  )
  const { runId } = await world.push({}, 'Never end')
  await world.taxiway.waitRun(runId, testing, 60_000)
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const startedMs = performance.now()
  expect((await world.taxiway.call('POST', `/runs/${runId}/cancel`)).status).toBe(202)
  const run = await world.taxiway.waitRun(runId, isOver, 20_000)
  expect(run).toMatchObject({ state: 'cancelled', reason: { code: 'cancelled_by' } })
  expect(performance.now() - startedMs).toBeLessThan(14_000)
  await eventually(async () => expect(await leftovers(runId)).toBe(0), 45_000)
})
