import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeWorld } from '../../world/make-world.ts'
import { isOver, type RoleProcess } from '../../world/taxiway.ts'
import { eventually, expectRunning, expectStatuses } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG } = process.env
let world: Awaited<ReturnType<typeof makeWorld>>
let deployer: RoleProcess
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-p10-'))
  world = await makeWorld({
    folder,
    target: 'kubernetes',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, KUBECONFIG },
    name: 'acme/newest',
    roles: ['api', 'builder', 'status'],
    say: () => {},
  })
  deployer = await world.taxiway.start(['deployer'])
})
afterAll(() => world?.stop())

const deploying = (run: { stages: { name: string; state: string }[] }) =>
  run.stages.some(({ name, state }) => name === 'deploy' && state === 'running')

test('a deployer that was frozen in the middle of an older release can not undo the newer one', async () => {
  const older = await world.push({ 'www/index.html': 'version 1\n', 'www/healthz': undefined }, 'Never get ready')
  await world.taxiway.waitRun(older.runId, (run) => deploying(run) && run.releases.length > 0, 60_000)
  await deployer.kill('SIGSTOP')
  await world.taxiway.start(['deployer'])
  const newer = await world.push({ 'www/index.html': 'version 2\n', 'www/healthz': 'ok\n' }, 'Say version 2')
  const live = await world.taxiway.waitRun(newer.runId, isOver, 90_000)
  expect(live).toMatchObject({ state: 'succeeded' })
  await deployer.kill('SIGCONT')
  const ended = await world.taxiway.waitRun(older.runId, isOver, 60_000)
  expect(ended.state).toBe('superseded')
  expect(ended.reason.message).toContain(newer.sha.slice(0, 7))
  // Give the thawed one every chance to do harm.
  await new Promise((resolve) => setTimeout(resolve, 5000))
  await expectRunning(world, live)
  expect((await world.visit()).trim()).toBe('version 2')
  await expectStatuses(world, newer.sha, { 'taxiway/deploy (production)': 'success' })
}, 240_000)

test('a deployer killed in the middle of a release is continued by the next one', async () => {
  const { sha, runId } = await world.push({ 'www/index.html': 'version 3\n' }, 'Say version 3')
  await world.taxiway.waitRun(runId, (run) => deploying(run) && run.releases.length > 0, 60_000)
  for (const one of world.taxiway.processes.filter(({ roles }) => roles[0] === 'deployer')) await one.kill('SIGKILL')
  await world.taxiway.start(['deployer'])
  const run = await world.taxiway.waitRun(runId, isOver, 90_000)
  expect(run).toMatchObject({ state: 'succeeded', attempt: 2 })
  await expectRunning(world, run)
  await eventually(async () => expect((await world.visit()).trim()).toBe('version 3'), 10_000)
  await expectStatuses(world, sha, { 'taxiway/deploy (production)': 'success' })
}, 180_000)

test('a release cancelled on its way gives the environment back its last healthy one', async () => {
  const { runId } = await world.push(
    { 'www/index.html': 'version 4\n', 'www/healthz': undefined },
    'Never get ready again',
  )
  await world.taxiway.waitRun(runId, (run) => deploying(run) && run.releases.length > 0, 60_000)
  await world.taxiway.call('POST', `/runs/${runId}/cancel`)
  const run = await world.taxiway.waitRun(runId, isOver, 60_000)
  expect(run).toMatchObject({ state: 'cancelled' })
  await eventually(async () => expect((await world.visit()).trim()).toBe('version 3'), 20_000)
}, 180_000)
