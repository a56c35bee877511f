import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { oracleAfterEach } from '../oracle/after-each.ts'
import { makeWorld } from '../world/make-world.ts'
import { isOver } from '../world/taxiway.ts'
import { eventually } from '../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
// A builder whose disk is full prunes its engine's build cache: others would miss it.
const sizeMb = 64
const folder = mkdtempSync(join(tmpdir(), 'taxiway-p14-'))
const disk = join(folder, 'disk')
let world: Awaited<ReturnType<typeof makeWorld>>
beforeAll(async () => {
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', disk])
  world = await makeWorld({
    folder,
    target: 'docker',
    environment: {
      REDIS_URL,
      DOCKER_HOST,
      TAXIWAY_REGISTRY,
      TAXIWAY_DATA: disk,
    },
    name: `acme/disk-full-${process.pid}`,
    roles: ['api', 'builder', 'status'],
    say: () => {},
  })
  writeFileSync(join(world.tree, '.taxiway.yaml'), 'version: 1\nimages: { web: {} }\n')
})
afterAll(async () => {
  await world?.stop()
  execFileSync('umount', ['--lazy', disk])
})
oracleAfterEach(() => world.observed)

const freeMb = () => {
  const { bavail, bsize } = statfsSync(disk)
  return (bavail * bsize) / 2 ** 20
}
const over = ({ runId }: { runId: string }) => world.taxiway.waitRun(runId, isOver, 90_000)

test('a commit that fills the disk ends with that reason, its room is given back, and the next one passes', async () => {
  const beforeMb = freeMb()
  const large = join(world.tree, 'large')
  writeFileSync(large, randomBytes((sizeMb + 20) * 2 ** 20))
  const pushed = await world.push({}, 'Large')
  const ended = await over(pushed)
  expect(ended).toMatchObject({ state: 'errored', reason: { code: 'disk_full' }, attempt: 2 })
  await eventually(async () => {
    const { 'taxiway/build': held } = await world.statuses(pushed.sha)
    expect(held).toMatchObject({ state: 'error', description: expect.stringMatching(/^The disk of .* is full/) })
  }, 10_000)
  await eventually(async () => expect(freeMb()).toBeGreaterThan(beforeMb - 5), 10_000)
  rmSync(large)
  expect(await over(await world.push({}, 'Small'))).toMatchObject({ state: 'succeeded' })
})

test('a builder whose disk is nearly full takes no run and says so, and goes on when there is room', async () => {
  const filler = join(disk, 'filler')
  writeFileSync(filler, Buffer.alloc(Math.floor((freeMb() - 1) * 2 ** 20)))
  // It looks every five seconds.
  await new Promise((resolve) => setTimeout(resolve, 6000))
  const pushed = await world.push({}, 'While there is no room')
  const told = await world.taxiway.waitRun(pushed.runId, ({ waiting }) => waiting !== undefined, 10_000)
  expect(told.waiting).toMatchObject({
    for: 'worker',
    message: 'Waiting: the builder is paused, as only 1 % of its disk is free. It goes on when there is room.',
  })
  await eventually(async () => {
    const { 'taxiway/build': held } = await world.statuses(pushed.sha)
    expect(held).toMatchObject({ state: 'pending', description: expect.stringMatching(/paused, as only 1 %/) })
  }, 10_000)
  rmSync(filler)
  const ended = await over(pushed)
  expect(ended).toMatchObject({ state: 'succeeded', attempt: 1 })
})
