// Slow: it makes a Debian image with compilers, Python, Node and a database, and builds four real projects on it.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { commitAndPush } from '../../git-host/push.ts'
import { startGitHost } from '../../git-host/server.ts'
import { ensureDebianImage, projectPackages } from '../../world/debian-images.ts'
import { isOver, makeTaxiway, type Taxiway } from '../../world/taxiway.ts'
import { eventually } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
const folder = mkdtempSync(join(tmpdir(), 'taxiway-projects-'))
const samples = join(import.meta.dirname, '../../samples')
const owner = `real-${process.pid}`
let host: Awaited<ReturnType<typeof startGitHost>>
let taxiway: Taxiway
beforeAll(async () => {
  const { docker } = connectEngine({ dockerHost: DOCKER_HOST ?? '' })
  const packages = projectPackages
  const named = (...names: string[]) => names.map((name) => `taxiway-local/${name}:bookworm`)
  await ensureDebianImage(docker, { packages, names: named('node', 'python', 'gcc') })
  const path = 'ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  await ensureDebianImage(docker, { packages, names: named('postgres'), changes: ['USER postgres', path] })
  host = await startGitHost({ folder: join(folder, 'git-host') })
  taxiway = await makeTaxiway({
    folder: join(folder, 'taxiway'),
    environment: {
      REDIS_URL,
      DOCKER_HOST,
      TAXIWAY_REGISTRY,
      TAXIWAY_TARGET: 'docker',
      TAXIWAY_ALLOWED_ORIGINS: host.url,
    },
  })
  await taxiway.start()
}, 1_500_000)
afterAll(async () => {
  await taxiway?.stop()
  await host?.stop()
  rmSync(folder, { recursive: true, force: true })
})

/** Registers a repository with a sample's files. @returns what pushes, and waits for the end of the run */
async function project(sample: string) {
  const name = `${owner}/${sample}`
  const { cloneUrl } = await host.createRepository(name, {})
  const { body } = await taxiway.call('POST', '/repos', {
    host: 'github',
    url: cloneUrl,
    apiUrl: `${host.url}/api/v3`,
    token: 'a token',
  })
  await host.setWebhook(name, body.webhook)
  const tree = join(folder, sample)
  cpSync(join(samples, sample), tree, { recursive: true })
  return async (files: Record<string, string> = {}) => {
    for (const [path, text] of Object.entries(files)) writeFileSync(join(tree, path), text)
    const sha = await commitAndPush(tree, { url: cloneUrl, message: 'a change' })
    const id = await eventually(async () => {
      const { items } = (await taxiway.call('GET', `/runs?repo=${body.id}&sha=${sha}`)).body
      return items[0].id
    }, 10_000)
    const run = await taxiway.waitRun(id, isOver, 300_000)
    return { run, log: await taxiway.log(id) }
  }
}
const testOf = (run: { tests: { name: string }[] }, name: string) => run.tests.find((one) => one.name === name)

test('a Node service, with a test that needs a database', async () => {
  const push = await project('node-service')
  const { run, log } = await push()
  expect(run, log).toMatchObject({ state: 'succeeded' })
  expect(testOf(run, 'unit')).toMatchObject({ state: 'passed', tries: 1 })
  expect(testOf(run, 'database')).toMatchObject({ state: 'passed', tries: 1 })
  expect(log).toContain('migrated')
  const broken = await push({ 'greeting.js': "exports.greeting = () => 'Go away'\n" })
  expect(broken.run).toMatchObject({ state: 'failed', reason: { code: 'test_failed' } })
  expect(broken.run.reason.message).toMatch(/unit/)
})

test('a Python web application, tested in two time zones, with counts from its reports', async () => {
  const { run, log } = await (await project('python-web'))()
  expect(run, log).toMatchObject({ state: 'succeeded' })
  for (const zone of ['UTC', 'Asia/Tokyo'])
    expect(testOf(run, `unit (TZ=${zone})`)).toMatchObject({
      state: 'passed',
      counts: { total: 5, failed: 0, skipped: 1 },
    })
})

test('a static binary built from C in two stages, whose binary is kept', async () => {
  const { run, log } = await (await project('static-binary'))()
  expect(run, log).toMatchObject({ state: 'succeeded' })
  expect(run.images.map(({ name }: { name: string }) => name)).toEqual(['tools', 'server'])
  const [artifact] = run.artifacts
  expect(artifact).toMatchObject({ test: 'unit', path: expect.stringMatching(/words$/) })
  const answer = await fetch(`${taxiway.url}/api/v1/runs/${run.id}/artifacts/${artifact.id}`, {
    headers: { authorization: `Bearer ${taxiway.token}` },
  })
  expect(
    Buffer.from(await answer.arrayBuffer())
      .subarray(0, 4)
      .toString('latin1'),
  ).toBe('\x7fELF')
})

test('a monorepo with three images, of which a push builds only what it changes', async () => {
  const push = await project('monorepo')
  const first = await push()
  expect(first.run, first.log).toMatchObject({ state: 'succeeded' })
  expect(first.run.images).toHaveLength(3)
  const second = await push({ 'web/notes.txt': 'for the web alone\n' })
  expect(second.run, second.log).toMatchObject({ state: 'succeeded' })
  const image = (run: { images: { name: string }[] }, name: string) => run.images.find((one) => one.name === name)
  for (const name of ['base', 'api'])
    expect(image(second.run, name)).toMatchObject({
      digest: (image(first.run, name) as { digest?: string }).digest,
      reusedFrom: expect.any(String),
    })
  expect(image(second.run, 'web')).not.toHaveProperty('reusedFrom')
})
