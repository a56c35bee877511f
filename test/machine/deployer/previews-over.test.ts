import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { oracleAfterEach } from '../../oracle/after-each.ts'
import { makeWorld } from '../../world/make-world.ts'
import { previewScene } from '../../world/preview-scene.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
const name = `acme/looked-at-${process.pid}`
let world: Awaited<ReturnType<typeof makeWorld>>
let scene: ReturnType<typeof previewScene>
beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-looked-at-')),
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, TAXIWAY_PREVIEW_LOOK_MS: '2000' },
    name,
    say: () => {},
  })
  scene = previewScene(world)
  await scene.allow('members')
})
afterAll(() => world?.stop())
oracleAfterEach(() => world.observed)

test('a pull request that closes without a word, and a time that is over, are noticed', async () => {
  await scene.propose(2, 'two')
  await scene.propose(3, 'three', { preview: '{ ttl: 20s }' })
  await scene.says(3, 'three')
  await scene.propose(4, 'four')
  await scene.says(4, 'four')
  world.host.closePullRequest(name, 4)
  await Promise.all([scene.gone(3), scene.gone(4)])
  await scene.says(2, 'two')
})

test('a git host that is away keeps every preview', async () => {
  await scene.propose(5, 'five')
  world.host.setFault({ mode: '500', only: 'api' })
  world.host.closePullRequest(name, 5)
  const begun = world.host.requests.length
  try {
    await expect
      .poll(() => world.host.requests.slice(begun).some(({ path }) => path.endsWith('/pulls/5')), { timeout: 80_000 })
      .toBe(true)
    await scene.says(5, 'five')
  } finally {
    world.host.setFault({ mode: 'ok' })
  }
  await scene.gone(5)
})
