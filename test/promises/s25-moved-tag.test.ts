import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeRegistryApi } from '@taxiway/registry/api.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { oracleAfterEach } from '../oracle/after-each.ts'
import { makeWorld } from '../world/make-world.ts'
import { isOver } from '../world/taxiway.ts'
import { eventually, expectRunning } from '../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY = '' } = process.env
const folder = mkdtempSync(join(tmpdir(), 'taxiway-s25-'))
let world: Awaited<ReturnType<typeof makeWorld>>
beforeAll(async () => {
  const environment = { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY }
  world = await makeWorld({ folder, target: 'docker', environment, name: `acme/tag-${process.pid}`, say: () => {} })
})
afterAll(async () => {
  await world?.stop()
  rmSync(folder, { recursive: true, force: true })
})
oracleAfterEach(() => world.observed)

test('a tag that is moved between the push and the deploy changes nothing: what was tested is what runs', async () => {
  const registry = makeRegistryApi(TAXIWAY_REGISTRY, undefined)
  const path = `${world.repository.name}/web`
  const first = await world.push({ 'www/index.html': 'version 1\n' }, 'first')
  const older = await world.taxiway.waitRun(first.runId, isOver, 60_000)
  expect(older).toMatchObject({ state: 'succeeded' })
  const slow = { 'www/index.html': 'version 2\n', 'test.sh': 'sleep 5\n' }
  const { runId } = await world.push(slow, 'second')
  const published = await world.taxiway.waitRun(runId, ({ images }) => images[0]?.digest, 30_000)
  expect(isOver(published)).toBe(false)
  const other = await registry.manifest(path, older.images[0].digest)
  if (!other) throw new Error('the older image is gone')
  await registry.putManifest(path, `run-${published.number}`, other)
  expect(await registry.digest(path, `run-${published.number}`)).toBe(older.images[0].digest)
  const run = await world.taxiway.waitRun(runId, isOver, 60_000)
  expect(run).toMatchObject({ state: 'succeeded', images: [{ digest: published.images[0].digest }] })
  await expectRunning(world, run)
  await eventually(async () => expect(await world.visit()).toBe('version 2\n'), 10_000)
})
