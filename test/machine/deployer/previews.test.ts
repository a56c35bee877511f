import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { oracleAfterEach } from '../../oracle/after-each.ts'
import { makeWorld } from '../../world/make-world.ts'
import { previewScene } from '../../world/preview-scene.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
const name = `acme/previews-${process.pid}`
let world: Awaited<ReturnType<typeof makeWorld>>
let scene: ReturnType<typeof previewScene>
beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-previews-')),
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY },
    name,
    say: () => {},
  })
  scene = previewScene(world)
  await scene.allow('members')
})
afterAll(() => world?.stop())
oracleAfterEach(() => world.observed)

const deploys = (run: { stages: { name: string; environment?: string; state: string }[] }) =>
  run.stages.filter((stage) => stage.name === 'deploy').map(({ environment, state }) => `${environment} ${state}`)

test('two pull requests have each their own address, a push updates one of them, and closing removes it at once', async () => {
  const preview = '{ url: "https://pr-{number}.example.com" }'
  const first = await scene.propose(1, 'one', { preview })
  expect(first.run).toMatchObject({ state: 'succeeded' })
  expect(deploys(first.run)).toEqual(['preview.1 succeeded'])
  expect(deploys((await scene.propose(2, 'two', { preview })).run)).toEqual(['preview.2 succeeded'])
  await scene.says(1, 'one')
  await scene.says(2, 'two')
  expect(world.address('preview.1')).not.toBe(world.address('preview.2'))
  expect((await scene.read('preview.1')).body).toMatchObject({
    live: { generation: 1, url: 'https://pr-1.example.com' },
    preview: { of: 'preview', number: 1, url: 'https://pr-1.example.com', expiresAt: expect.any(String) },
  })
  const next = await scene.propose(1, 'one again', { preview })
  expect(next.run.releases).toMatchObject([{ environment: 'preview.1', generation: 2, state: 'live' }])
  await scene.says(1, 'one again')
  await scene.says(2, 'two')

  await world.host.pullRequest(name, { number: 1, sha: next.sha, branch: next.branch, action: 'closed' })
  // Long before the look that comes every minute.
  await scene.gone(1, 30_000)
  expect(await world.runningDigests('preview.1')).toEqual([])
  await scene.says(2, 'two')

  // A push that comes after that makes it anew, above what was there before.
  const anew = await scene.propose(1, 'one anew', { preview })
  expect(anew.run.releases).toMatchObject([{ generation: 3, state: 'live' }])
  await scene.says(1, 'one anew')
})

test('no more previews than may stand, by the file and by the admin; one that stands is updated all the same', async () => {
  const { body } = await scene.call('GET', '/environments')
  const standing = body.items.filter((one: { preview?: object }) => one.preview).length
  expect(standing).toBeGreaterThan(0)
  const preview = `{ most: ${standing} }`
  const refused = await scene.propose(6, 'six', { preview })
  expect(refused.run).toMatchObject({ state: 'failed', reason: { code: 'preview_quota' } })
  expect(refused.run.reason.message).toContain('deploy.preview.preview.most')
  expect(await scene.read('preview.6')).toMatchObject({ status: 404 })
  expect((await scene.propose(2, 'two again', { preview })).run).toMatchObject({ state: 'succeeded' })
  await scene.says(2, 'two again')
  const change = { deploy: { previews: 0 } }
  expect(await world.taxiway.call('PATCH', `/repos/${world.repository.id}`, change)).toMatchObject({ status: 200 })
  const none = await scene.propose(7, 'seven')
  expect(none.run).toMatchObject({ state: 'failed', reason: { code: 'preview_quota' } })
  expect(none.run.reason.message).toContain('deploy.previews')
  await world.taxiway.call('PATCH', `/repos/${world.repository.id}`, { deploy: {} })
})

test("a fork's code is built, and never deployed", async () => {
  await scene.allow('all')
  const { run } = await scene.propose(8, 'eight', { from: 'mallory/web' })
  expect(run).toMatchObject({ state: 'succeeded', trusted: false })
  expect(deploys(run)).toEqual([])
  expect(await scene.read('preview.8')).toMatchObject({ status: 404 })
})
