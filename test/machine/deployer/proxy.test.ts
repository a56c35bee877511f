import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Docker from 'dockerode'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'

const folder = mkdtempSync(join(tmpdir(), 'taxiway-proxy-'))
const docker = new Docker({ socketPath: (process.env.DOCKER_HOST ?? '').replace(/^unix:\/\//, '') })
let world: Awaited<ReturnType<typeof makeWorld>>

beforeAll(async () => {
  const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
  world = await makeWorld({
    folder,
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, TAXIWAY_LEASE_MS: '2000' },
    name: `acme/proxy-${process.pid}`,
    roles: ['api', 'builder', 'status'],
    ownProxy: true,
    say: () => {},
  })
})
afterAll(async () => {
  await world?.stop()
  rmSync(folder, { recursive: true, force: true })
})

// Without its paths each build would make another image, as images say which commit they are of.
const web = { paths: ['Dockerfile', 'www/**', '*.sh'] }
const pipeline = JSON.stringify({ version: 1, images: { web }, deploy: { production: { manifests: 'k8s/' } } })

/** Asks again and again. `stop` tells what was not answered, and all that was. */
function keepVisiting() {
  const failed: unknown[] = []
  const said = new Set<string>()
  let isOver = false
  const going = (async () => {
    while (!isOver) {
      await world.visit().then(
        (body) => said.add(body.trim()),
        (error) => failed.push(error),
      )
      await sleep(20)
    }
  })()
  return {
    async stop() {
      isOver = true
      await going
      return { failed, said: [...said] }
    },
  }
}

const release = async (files: Record<string, string>) => {
  const { runId } = await world.push(files, 'Change')
  return world.taxiway.waitRun(runId, isOver, 90_000)
}

test('a deployer that is killed and another one that rolls out cost no request, and a README restarts nothing', async () => {
  const { taxiway } = world
  const deployer = await taxiway.start(['deployer'])
  expect(await release({ '.taxiway.yaml': pipeline })).toMatchObject({ state: 'succeeded' })
  const before = await containersOf()
  const visiting = keepVisiting()
  await deployer.kill('SIGKILL')
  await sleep(500)
  await taxiway.start(['deployer'])
  expect(await release({ 'README.md': 'Read me.\n' })).toMatchObject({ state: 'succeeded' })
  expect(await containersOf()).toEqual(before)
  expect(await release({ 'www/index.html': 'changed\n' })).toMatchObject({ state: 'succeeded' })
  expect(await containersOf()).not.toEqual(before)
  const { failed, said } = await visiting.stop()
  expect(failed).toEqual([])
  expect(said.length).toBeGreaterThan(0)
})

async function containersOf(): Promise<string[]> {
  const filters = { label: ['taxiway.role=release', `taxiway.repository=${world.repository.id}`] }
  const all = await docker.listContainers({ filters })
  return all.map(({ Id }) => Id).sort()
}
