import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { label } from '@taxiway/docker/engine/labels.ts'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { oracleAfterEach } from '../oracle/after-each.ts'
import { makeWorld } from '../world/make-world.ts'
import { type OwnEngine, startOwnEngine } from '../world/own-engine.ts'
import { isOver, type RoleProcess } from '../world/taxiway.ts'
import { eventually } from '../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
/** From the wish to the record. */
const mostMs = 12_000
/** Takes connections and never answers: a git host, or a registry, in its worst hour. */
const silent = createServer(() => {})
let silentUrl = ''
const folder = mkdtempSync(join(tmpdir(), 'taxiway-cancel-'))
let own: OwnEngine
let world: Awaited<ReturnType<typeof makeWorld>>
let builder: RoleProcess | undefined
beforeAll(async () => {
  silent.listen(0, '127.0.0.1')
  await new Promise((resolve) => silent.once('listening', resolve))
  silentUrl = `127.0.0.1:${(silent.address() as AddressInfo).port}`
  own = await startOwnEngine(join(folder, 'engine'), connectEngine({ dockerHost: DOCKER_HOST ?? '' }))
  world = await makeWorld({
    folder,
    target: 'docker',
    environment: {
      REDIS_URL,
      DOCKER_HOST: own.dockerHost,
      TAXIWAY_REGISTRY,
      TAXIWAY_BUILD_CGROUP: own.cgroup,
      TAXIWAY_WORK_SUBNET: '10.215.0.0/16',
      // What is promised is promised with the grace that people get.
      TAXIWAY_STOP_MS: '10000',
    },
    name: `acme/cancel-${process.pid}`,
    roles: ['api', 'status'],
    say: () => {},
  })
})
afterEach(async () => {
  world.host.setFault({ mode: 'ok' })
  await builder?.kill('SIGTERM')
})
afterAll(async () => {
  await world?.stop()
  await own?.stop()
  silent.closeAllConnections()
  silent.close()
  rmSync(folder, { recursive: true, force: true })
})

oracleAfterEach(() => world.observed)

const marker = () => `marker-${randomBytes(8).toString('hex')}`
const dockerfile = 'FROM busybox:stable\nCOPY www /www\n'
const pipeline = (more: object = {}) => JSON.stringify({ version: 1, images: { web: {} }, ...more })
const testing = (run: string[]) => pipeline({ test: { stubborn: { image: 'web', run } } })
const processesWith = (text: string): number =>
  readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(text)
    } catch {
      return false
    }
  }).length

/** All that a run has on this machine. */
async function leftOf(runId: string): Promise<string[]> {
  const { docker } = own.engine
  const filters = { label: [`${label.run}=${runId}`] }
  const images = await docker.listImages({ filters: { reference: [`taxiway-work/${runId}`] } })
  return [
    ...(await docker.listContainers({ all: true, filters })).map(({ Names }) => `container ${Names[0]}`),
    ...(await docker.listNetworks({ filters })).map(({ Name }) => `network ${Name}`),
    ...((await docker.listVolumes({ filters })).Volumes ?? []).map(({ Name }) => `volume ${Name}`),
    ...images.map(({ RepoTags }) => `image ${RepoTags?.[0]}`),
    ...readdirSync(join(folder, 'taxiway/data'), { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.startsWith(`workspaces/${runId}`),
    ),
  ]
}

/** Cancels and holds the run to its time; then nothing of it may be left. */
async function cancel(runId: string): Promise<void> {
  const startedMs = performance.now()
  expect((await world.taxiway.call('POST', `/runs/${runId}/cancel`)).status).toBe(202)
  const run = await world.taxiway.waitRun(runId, isOver, 30_000)
  expect(run).toMatchObject({ state: 'cancelled', reason: { code: 'cancelled_by' } })
  expect(performance.now() - startedMs).toBeLessThan(mostMs)
  await eventually(async () => expect(await leftOf(runId)).toEqual([]), 5000)
}
const inStage = (name: string) => (run: { stages?: { name: string; state: string }[] }) =>
  run.stages?.some((stage) => stage.name === name && stage.state === 'running') ?? false

test('cancelled in its checkout, with a git host that never answers', async () => {
  const { runId } = await world.push({ Dockerfile: dockerfile, '.taxiway.yaml': pipeline() }, 'Check out')
  world.host.setFault({ mode: 'silent', only: 'git' })
  builder = await world.taxiway.start(['builder'])
  await world.taxiway.waitRun(runId, inStage('checkout'), 20_000)
  await new Promise((resolve) => setTimeout(resolve, 1000))
  await cancel(runId)
  world.host.setFault({ mode: 'ok' })
})

test('cancelled in its build, in the middle of a step', async () => {
  const mark = marker()
  const file = `${dockerfile}RUN trap '' TERM; (sleep 400; echo ${mark}) & sleep 400; echo ${mark}\n`
  const { runId } = await world.push({ Dockerfile: file, '.taxiway.yaml': pipeline() }, 'Build')
  builder = await world.taxiway.start(['builder'])
  await world.taxiway.waitRun(runId, inStage('build'), 30_000)
  await eventually(async () => expect(processesWith(mark)).toBeGreaterThan(0), 30_000)
  await cancel(runId)
  await eventually(async () => expect(processesWith(mark)).toBe(0), 5000)
})

test('cancelled in its test, with processes that ignore the signal and have left their parent', async () => {
  const mark = marker()
  const run = [
    'trap "" TERM INT HUP',
    `(trap "" TERM INT HUP; (trap "" TERM; while :; do sleep 1; : ${mark}; done) & ) &`,
    `while :; do sleep 1; : ${mark}; done`,
  ]
  const { runId } = await world.push({ Dockerfile: dockerfile, '.taxiway.yaml': testing(run) }, 'Test')
  builder = await world.taxiway.start(['builder'])
  await world.taxiway.waitRun(runId, inStage('test'), 30_000)
  await eventually(async () => expect(processesWith(mark)).toBeGreaterThan(1), 20_000)
  await cancel(runId)
  expect(processesWith(mark)).toBe(0)
})

test('cancelled in its publishing, with a registry that never answers', async () => {
  const { runId } = await world.push({ Dockerfile: dockerfile, '.taxiway.yaml': pipeline() }, 'Publish')
  builder = await world.taxiway.start(['builder'], { TAXIWAY_REGISTRY: silentUrl })
  await world.taxiway.waitRun(runId, inStage('publish'), 30_000)
  await new Promise((resolve) => setTimeout(resolve, 1000))
  await cancel(runId)
})

test('a test that takes too long is ended with its children, and says how long it had', async () => {
  const mark = marker()
  const timed = pipeline({
    test: {
      slow: { image: 'web', run: [`(trap "" TERM; sleep 300; : ${mark}) & sleep infinity; : ${mark}`], timeout: '3s' },
    },
  })
  const { runId } = await world.push({ Dockerfile: dockerfile, '.taxiway.yaml': timed }, 'Too slow')
  builder = await world.taxiway.start(['builder'])
  const run = await world.taxiway.waitRun(runId, isOver, 60_000)
  expect(run).toMatchObject({ state: 'failed', reason: { code: 'timeout' } })
  expect(run.reason.message).toContain('ran longer than 3 s')
  expect(processesWith(mark)).toBe(0)
})
