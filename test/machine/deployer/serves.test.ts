import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeWorld } from '../../world/make-world.ts'
import { freePort, isOver } from '../../world/taxiway.ts'
import { webManifests } from '../../world/web-manifests.ts'
import { eventually } from '../../world/world.ts'

let world: Awaited<ReturnType<typeof makeWorld>>
let port = 0
const deployers: Record<string, Awaited<ReturnType<typeof world.taxiway.start>>> = {}
const start = async (serves: string, more = {}) => {
  deployers[serves] = await world.taxiway.start(['deployer'], { TAXIWAY_SERVES: serves, ...more })
}
beforeAll(async () => {
  const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-serves-')),
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, TAXIWAY_RETRY_PAUSES_MS: '200,200' },
    name: `acme/serves-${process.pid}`,
    roles: ['api', 'builder', 'proxy', 'status'],
    say: () => {},
  })
  writeFileSync(join(world.tree, 'k8s/web.yaml'), webManifests)
  port = await freePort()
  await start('far,farther')
})
afterAll(() => world.stop())

async function push(version: string) {
  writeFileSync(
    join(world.tree, '.taxiway.yaml'),
    'version: 1\nimages: { web: {} }\ndeploy: { production: { namespace: serves, timeout: 8s, soak: 0s } }\n',
  )
  const files = { 'www/index.html': `version ${version}\n`, 'www/healthz': 'ok\n' }
  const { runId } = await world.push(files, `Say version ${version}`)
  return world.taxiway.waitRun(runId, isOver, 60_000)
}

test('a target that no deployer serves is waited for, and the run says which and how to serve it', async () => {
  const run = await push('0')
  expect(run).toMatchObject({ state: 'errored', reason: { code: 'target_unserved' } })
  expect(run.reason.message).toContain('start one that has docker in TAXIWAY_SERVES')
  expect(run.attempt).toBe(3)
})

test('whoever is woken, roll-outs go to those that serve their target, who alone look after it', async () => {
  await start('docker', { TAXIWAY_HEALTH_PORT: String(port) })
  for (const version of ['1', '2', '3']) {
    expect(await push(version)).toMatchObject({ state: 'succeeded' })
    expect((await world.visit()).trim()).toBe(`version ${version}`)
  }
  const ready = await fetch(`http://127.0.0.1:${port}/readyz`)
  expect(await ready.text()).toBe('ok\nThis deployer serves docker.\n')
  const environment = `/repos/${world.repository.id}/environments/production`
  await eventually(async () => {
    const { body } = await world.taxiway.call('GET', environment)
    expect(body.state).toMatchObject({ condition: 'healthy' })
  }, 20_000)
})
