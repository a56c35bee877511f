import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { listContainers, removeContainer } from '@taxiway/docker/container/release-container.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { label } from '@taxiway/docker/engine/labels.ts'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { makeDockerTarget } from '../../services/deployer/target/docker.ts'
import { makePlace, makeWork, successOf } from '../contracts/target.ts'
import { oracleAfterEach } from '../oracle/after-each.ts'
import { makeImages, serving } from '../world/images.ts'
import { makeWorld } from '../world/make-world.ts'
import { type OwnEngine, startOwnEngine } from '../world/own-engine.ts'
import { isOver } from '../world/taxiway.ts'
import { eventually } from '../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
const awayMs = 4000
const folder = mkdtempSync(join(tmpdir(), 'taxiway-killed-'))
let own: OwnEngine
let world: Awaited<ReturnType<typeof makeWorld>>
let isAway = false

beforeAll(async () => {
  own = await startOwnEngine(join(folder, 'engine'), connectEngine({ dockerHost: DOCKER_HOST ?? '' }))
  world = await makeWorld({
    folder,
    target: 'docker',
    environment: {
      REDIS_URL,
      DOCKER_HOST: own.dockerHost,
      TAXIWAY_REGISTRY,
      TAXIWAY_BUILD_CGROUP: own.cgroup,
      TAXIWAY_WORK_SUBNET: '10.216.0.0/16',
      TAXIWAY_RETRY_PAUSES_MS: '1000,2000,4000,8000',
    },
    name: `acme/killed-${process.pid}`,
    roles: ['api', 'builder', 'status'],
    say: () => {},
  })
})
afterEach(async () => {
  if (isAway) await own.restart()
  isAway = false
})
afterAll(async () => {
  await world?.stop()
  await own?.stop()
  rmSync(folder, { recursive: true, force: true })
})

oracleAfterEach(() => world.observed)

/** Commands that are in the middle of something once they have said so, and can only end in another life of the engine. */
const slow = (mark: string) => [`echo ${mark}`, 'sleep 8', 'echo through']
const pipeline = (more: object = {}) => JSON.stringify({ version: 1, images: { web: {} }, ...more })

/** Kills the engine once the run has said the mark, and answers the run as it waits meanwhile. */
async function killInTheMiddle(runId: string, mark: string) {
  const { taxiway } = world
  const said = new RegExp(`^(#\\d+ )?${mark}$`, 'm')
  await eventually(async () => expect(await taxiway.log(runId)).toMatch(said), 60_000)
  await own.kill()
  isAway = true
  const atLeast = sleep(awayMs)
  const waiting = await taxiway.waitRun(runId, (run) => run.waiting?.for === 'retry' || isOver(run), 30_000)
  await atLeast
  await own.restart()
  isAway = false
  return waiting
}

async function expectToWaitAndPass(dockerfile: string, file: string, mark: string, stage: string) {
  const { runId } = await world.push({ Dockerfile: dockerfile, '.taxiway.yaml': file }, `Kill in ${stage}`)
  const waiting = await killInTheMiddle(runId, mark)
  expect(waiting.state).toBe('queued')
  expect(waiting.waiting.message).toMatch(/^Waiting until \d\d:\d\d:\d\d UTC to try again\. The Docker engine /)
  expect(waiting.stages.find(({ name }: { name: string }) => name === stage)).toMatchObject({
    state: 'pending',
    reason: { code: expect.stringMatching(/^docker_(unavailable|daemon_restarted)$/) },
  })
  expect(await world.taxiway.waitRun(runId, isOver, 90_000)).toMatchObject({ state: 'succeeded' })
  // Who finds it away before the work begins says that.
  const log = await world.taxiway.log(runId)
  expect(log.match(/✗ .*\[docker_daemon_restarted\]/g)).toHaveLength(1)
  expect(log).toMatch(/✗ The Docker engine .*\n.*tried again at 20[\s\S]*\n(#\d+ )?through\n/)
}

test('what a release runs is there again once an engine that was killed is back', async () => {
  const target = makeDockerTarget({ engine: own.engine, stateFolder: join(folder, 'target') })
  const place = makePlace('killed')
  const order = place.order(await makeImages().publish('killed', serving('killed')))
  successOf(await target.apply(order, makeWork()))
  expect(successOf(await target.watch(order, makeWork(60_000)))).toMatchObject({ healthy: true })
  const containers = () => listContainers(own.engine, { [label.repository]: place.repositoryId })
  const [before] = await containers()
  await own.kill()
  isAway = true
  await own.restart()
  isAway = false
  await expect.poll(containers, { timeout: 20_000 }).toMatchObject([{ id: before?.id, state: 'running' }])
  const [after] = await containers()
  expect(after?.startedAt).not.toBe(before?.startedAt)
  const live = { order, generation: order.generation, byHand: {}, drift: 'report' as const }
  expect(successOf((await target.keepRunning?.(live, makeWork())) ?? { ok: true, value: ['unknown'] })).toEqual([])
  await removeContainer(own.engine, after?.id ?? '')
})

test('an engine that is killed in the middle of a build and comes back is waited for', async () => {
  const mark = `mark-${randomBytes(8).toString('hex')}`
  const file = `FROM busybox:stable\nRUN ${slow(mark).join(' && ')}\n`
  await expectToWaitAndPass(file, pipeline(), mark, 'build')
})

test('an engine that is killed in the middle of a test and comes back is waited for', async () => {
  const mark = `mark-${randomBytes(8).toString('hex')}`
  const file = pipeline({ test: { slow: { image: 'web', run: slow(mark) } } })
  await expectToWaitAndPass(`FROM busybox:stable\nRUN echo ${mark}-built > /built\n`, file, mark, 'test')
})
