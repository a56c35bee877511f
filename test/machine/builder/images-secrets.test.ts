import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { pullImage, removeImage } from '@taxiway/docker/image/image.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type StartedRedis, startRedis } from '../../../deploy/local/redis.ts'
import { git } from '../../git-host/git.ts'
import { commitAndPush } from '../../git-host/push.ts'
import { oracleAfterEach } from '../../oracle/after-each.ts'
import { type ImageWorld, makeImageWorld } from '../../world/image-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { eventually } from '../../world/world.ts'

const value = `a-build-secret-${process.pid}`
const traces = [
  value,
  Buffer.from(value).toString('base64').slice(0, 16),
  Buffer.from(value).toString('hex').slice(0, 24),
]
const dockerfile = (more: string) => `FROM busybox:stable\n${more}\n`
const pipeline = (more: object = {}) => ({
  on: { push: {}, pull_request: {} },
  images: { web: { secrets: ['NPM_TOKEN'], ...more } },
})
let folder: string
let redis: StartedRedis
let images: ImageWorld
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-build-secrets-'))
  redis = await startRedis({ folder: join(folder, 'parts'), say: () => {} }, { fresh: true })
  images = await makeImageWorld('build-secrets', { environment: { REDIS_URL: redis.address } })
  const put = await images.world.taxiway.call('PUT', `/repos/${images.world.repository.id}/secrets/NPM_TOKEN`, {
    value,
  })
  expect(put.status).toBe(204)
})
afterAll(async () => {
  await images?.stop()
  await redis?.stop()
})
oracleAfterEach(() => ({ ...images.world.observed, secrets: [...images.world.observed.secrets, value] }))

test('a step mounts the secret, and its value is in no image, history, layer, log, file or dump', async () => {
  const mount = 'RUN --mount=type=secret,id=NPM_TOKEN'
  const script = `test "$(wc -c < /run/secrets/NPM_TOKEN)" = ${value.length} && grep -c build-secret /run/secrets/NPM_TOKEN && cat /run/secrets/NPM_TOKEN && echo ${Date.now()} > /built`
  const { run, log } = await images.run(pipeline(), { Dockerfile: dockerfile(`${mount} ${script}`) })
  expect([run.state, log]).toEqual(['succeeded', expect.stringMatching(/#\d+ 1\n.*#\d+ \*\*\*\n/)])
  const config = await images.configOf('web', run.images[0].digest)
  const name = run.images[0].reference
  const engine = connectEngine({ dockerHost: process.env.DOCKER_HOST ?? '' })
  const image = images.docker.getImage(name)
  // The run, which has ended, takes away its own name of the image meanwhile.
  const { history, inspect, layers } = await eventually(async () => {
    await pullImage(engine, name, { signal: AbortSignal.timeout(30_000), deadlineMs: 30_000 })
    const layers = (await buffer(await image.get())).toString('latin1')
    return { history: await image.history(), inspect: await image.inspect(), layers }
  }, 20_000)
  const told = { log, run, config, history, inspect }
  for (const trace of traces)
    for (const [what, found] of Object.entries(told))
      expect([what, JSON.stringify(found).includes(trace)]).toEqual([what, false])
  expect(layers).toContain('manifest.json')
  for (const place of [join(folder, 'parts'), join(images.world.tree, '..', 'taxiway')])
    for (const entry of readdirSync(place, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) {
        const text = readFileSync(join(entry.parentPath, entry.name), 'latin1')
        for (const trace of traces) expect([entry.name, text.includes(trace)]).toEqual([entry.name, false])
      }
  for (const trace of traces) expect(layers.includes(trace)).toBe(false)
  await removeImage(engine, name)
})

test('a secret that the pipeline does not name is not mounted, and one that is not set is told', async () => {
  const needed = 'RUN --mount=type=secret,id=OTHER,required=true cat /run/secrets/OTHER'
  const { run } = await images.run(pipeline(), { Dockerfile: dockerfile(needed) })
  expect(run).toMatchObject({ state: 'failed', reason: { code: 'build_failed' } })
  const missing = await images.run({ images: { web: { secrets: ['OTHER'] } } })
  expect(missing.run).toMatchObject({ state: 'failed', reason: { code: 'secret_missing' } })
})

test('a build argument with the name of a secret, or one like it, is warned of', async () => {
  const args = { NPM_TOKEN: 'x', DB_PASSWORD: 'y', VERSION: '1' }
  const { run, log } = await images.run(pipeline({ args }), { Dockerfile: dockerfile('') })
  expect(run.state).toBe('succeeded')
  expect(log.match(/^WARNING: build argument (\w+) of image web is named like a secret/gm)).toHaveLength(2)
  expect(log).not.toMatch(/argument VERSION/)
})

test('code that no member has approved gets no secret, nor what a step has made of it before', async () => {
  const { world } = images
  const mount = 'RUN --mount=type=secret,id=NPM_TOKEN'
  const steps = `${mount} : ${Date.now()}; wc -c < /run/secrets/NPM_TOKEN > /made || echo none > /made\nRUN cat /made`
  const trusted = await images.run(pipeline(), { Dockerfile: dockerfile(steps) })
  expect(trusted.log).toMatch(new RegExp(`#\\d+ ${value.length}$`, 'm'))
  const again = await images.run(pipeline(), { 'other.txt': 'x' })
  expect(again.log).toMatch(/#(\d+) \[2\/3\] RUN --mount.*\n#\1 CACHED/)

  const changed = { branches: ['main'], pullRequests: 'all' }
  expect((await world.taxiway.call('PATCH', `/repos/${world.repository.id}`, changed)).status).toBe(200)
  const sha = await commitAndPush(world.tree, { url: world.pushUrl, message: 'From a fork', branch: 'change' })
  await git(world.tree, ['push', '--quiet', world.pushUrl, 'HEAD:refs/pull/7/head'])
  await world.host.pullRequest(world.repository.name, { number: 7, sha, branch: 'change', from: 'stranger/fork' })
  const found = await eventually(async () => {
    const { items } = (await world.taxiway.call('GET', `/runs?repo=${world.repository.id}&sha=${sha}`)).body
    expect(items).toHaveLength(1)
    return items[0]
  }, 10_000)
  const run = await world.taxiway.waitRun(found.id, isOver, 60_000)
  expect(run).toMatchObject({ state: 'succeeded', trusted: false })
  expect(await world.taxiway.log(run.id)).toMatch(/^#\d+ none$/m)
  expect(run.images[0].digest).toBeUndefined()
})
