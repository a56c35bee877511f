import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { listCacheVolumes } from '@taxiway/docker/container/cache-volumes.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { engineId } from '@taxiway/docker/engine/engine-info.ts'
import type { RunId } from '@taxiway/domain/ids.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { keys } from '@taxiway/store/redis/keys.ts'
import { openStore } from '@taxiway/store/store.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makePruneArtifacts } from '../../../services/builder/prune/artifacts.ts'
import { pruneCaches } from '../../../services/builder/prune/caches.ts'
import { commitAndPush } from '../../git-host/push.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { eventually } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
const engine = connectEngine({ dockerHost: DOCKER_HOST ?? '' })
const dayMs = 24 * 3_600_000
let now = Date.now()
const store = openStore({ redisUrl: REDIS_URL ?? '', secretKey: randomBytes(32), now: () => new Date(now) })
const folder = mkdtempSync(join(tmpdir(), 'taxiway-kept-'))
const artifactFolder = join(folder, 'taxiway/data/artifacts')
const name = `acme/kept-${process.pid}`
let world: Awaited<ReturnType<typeof makeWorld>>
const repos: string[] = []
beforeAll(async () => {
  await waitReady(store.redis, 5000)
  world = await makeWorld({
    folder,
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY },
    name,
    roles: ['api', 'builder'],
    say: () => {},
  })
  repos.push(world.repository.id)
})
afterAll(async () => {
  await world?.stop()
  for (const volume of await ourVolumes()) await engine.docker.getVolume(volume.name).remove({ force: true })
  await store.close()
})
const ourVolumes = async () => (await listCacheVolumes(engine)).filter(({ repo }) => repos.includes(repo))

const pipeline = (tests: object) =>
  JSON.stringify({ version: 1, on: { push: {}, pull_request: {} }, images: { web: {} }, test: tests })
const over = (id: string) => world.taxiway.waitRun(id, isOver, 120_000)
async function run(tests: object, files: Record<string, string> = {}) {
  const { runId, sha } = await world.push({ '.taxiway.yaml': pipeline(tests), ...files }, 'Change the tests')
  const ended = await over(runId)
  return { run: ended, sha, log: await world.taxiway.log(runId) }
}
async function download(run: string, artifact: string) {
  const answer = await fetch(`${world.taxiway.url}/api/v1/runs/${run}/artifacts/${artifact}`, {
    headers: { authorization: `Bearer ${world.taxiway.token}` },
  })
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) }
}
const write = (path: string, text: string) => `cat > ${path} <<'END'\n${text}\nEND`
const junit = (name: string, inner = '') =>
  `<testsuite><testcase classname="cart" name="${name}">${inner}</testcase><testcase name="other"/></testsuite>`

test('the counts and failures of JUnit reports stand on the run, whether the test passes or not', async () => {
  const failing = junit('adds', '<failure message="1 is not 2"/>')
  const { run: ended, log } = await run({
    file: { run: [write('/junit.xml', failing), 'exit 1'], reports: { junit: '/junit.xml' } },
    folder: {
      run: [
        'mkdir /out',
        write('/out/a.xml', junit('a')),
        write('/out/b.xml', junit('b', '<skipped/>')),
        'echo x > /out/c.txt',
      ],
      reports: { junit: '/out' },
    },
    none: { run: ['true'], reports: { junit: '/none.xml' } },
    broken: { run: [write('/junit.xml', '<testsuite><testcase'), 'ln -s /etc /out'], reports: { junit: '/junit.xml' } },
    link: { run: ['ln -s /etc/passwd /junit.xml'], reports: { junit: '/junit.xml' } },
    empty: { run: [write('/junit.xml', '<testsuites tests="0"/>')], reports: { junit: '/junit.xml' } },
    hidden: { run: [write('/junit.xml', failing), 'true'], reports: { junit: '/junit.xml' } },
  })
  expect([ended.state, ended.reason?.code]).toEqual(['failed', 'test_failed'])
  expect(ended.tests).toMatchObject([
    {
      name: 'file',
      state: 'failed',
      counts: { total: 2, failed: 1, skipped: 0 },
      failures: [{ name: 'cart: adds', message: '1 is not 2' }],
    },
    { name: 'folder', state: 'passed', counts: { total: 4, failed: 0, skipped: 1 }, failures: [] },
    { name: 'none', state: 'passed' },
    { name: 'broken', state: 'passed' },
    { name: 'link', state: 'passed' },
    { name: 'empty', state: 'passed' },
    { name: 'hidden', state: 'passed', counts: { total: 2, failed: 1, skipped: 0 } },
  ])
  for (const index of [2, 3, 4, 5]) expect(ended.tests[index].counts).toBeUndefined()
  expect(log).toContain('none | report: there is no /none.xml')
  expect(log).toMatch(/broken \| report: \/junit\.xml is no JUnit XML/)
  expect(log).toContain('link | report: /junit.xml holds no report')
  expect(ended.notes.map(({ message }: { message: string }) => message).sort()).toEqual([
    expect.stringMatching(/^Test broken has passed without its report: \/junit\.xml is no JUnit XML: /),
    'Test empty has passed without its report: /junit.xml tells of no test.',
    'Test link has passed without its report: /junit.xml holds no report.',
    'Test none has passed without its report: there is no /none.xml.',
    'The commands of test hidden ended with 0, so it has passed, although its report says that 1 of 2 failed.',
  ])
})

test('artifacts are kept of failed tests too, and downloaded as files that no browser runs', async () => {
  const { run: ended, log } = await run({
    unit: {
      run: [
        'mkdir -p /out/deep; echo "<script>" > /out/deep/page.html; echo two > /out/b; ln -s /etc/passwd /out/link; mkfifo /out/pipe',
        'printf %s "the file" > "/re port.txt"; ln -s /etc/passwd /hostile; ln -s /out /folder',
        'dd if=/dev/zero of=/large bs=1M count=101 2>/dev/null',
        'echo the cause; exit 1',
      ],
      artifacts: { paths: ['/re port.txt', '/out', '/none', '/hostile', '/folder', '/large'], expire: '2d' },
    },
  })
  expect(ended.reason.message).toBe('Test unit failed with exit code 1: the cause.')
  expect(ended.artifacts).toMatchObject([
    { test: 'unit', path: '/re port.txt', name: 're port.txt', bytes: 8 },
    { test: 'unit', path: '/out', name: 'out.tar.gz' },
  ])
  const [file, archive] = ended.artifacts
  expect(Date.parse(file.expiresAt) - Date.now()).toBeGreaterThan(1.9 * dayMs)
  const got = await download(ended.id, file.id)
  expect([got.status, got.bytes.toString()]).toEqual([200, 'the file'])
  expect(Object.fromEntries(got.headers)).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="re_port.txt"; filename*=UTF-8''re%20port.txt`,
    'x-content-type-options': 'nosniff',
    'content-length': '8',
  })
  const tar = gunzipSync((await download(ended.id, archive.id)).bytes).toString('latin1')
  expect(tar).toContain('deep/page.html')
  expect(tar).toContain('<script>')
  expect(tar).not.toMatch(/link|pipe|root:/)
  expect(log).toContain('/out: 2 links and special files are left out')
  for (const path of ['/hostile', '/folder'])
    expect(log).toContain(`${path} is not kept: it is a link or a special file`)
  expect(log).toContain('/none is not kept: there is none')
  expect(log).toMatch(/\/large is not kept: it is larger than 100 MB/)
  expect(readdirSync(join(artifactFolder, ended.id)).sort()).toEqual([file.id, archive.id].sort())
  for (const id of ['art_00000000000000000000', 'x', '..%2f..%2fsecret.key', `${file.id}.part`])
    expect((await download(ended.id, id)).status).toBe(404)
})

test('an artifact past its time is not served, and its file is removed; one that is elsewhere is told', async () => {
  const { run: ended } = await run({
    unit: { run: ['echo a > /a; echo b > /b'], artifacts: { paths: ['/a', '/b'], expire: '1d' } },
  })
  const [a, b] = ended.artifacts
  const prune = makePruneArtifacts({ folder: artifactFolder, store })
  await prune()
  expect((await download(ended.id, a.id)).status).toBe(200)
  const key = keys.run(ended.id as RunId)
  const doc = JSON.parse((await store.redis.hget(key, 'doc')) ?? '')
  doc.artifacts[0].expiresAt = '2020-01-01T00:00:00.000Z'
  await store.redis.hset(key, 'doc', JSON.stringify(doc))
  const gone = await download(ended.id, a.id)
  expect([gone.status, JSON.parse(gone.bytes.toString())]).toMatchObject([410, { error: { code: 'artifact_expired' } }])
  mkdirSync(join(artifactFolder, 'run_unknown'))
  writeFileSync(join(artifactFolder, 'run_unknown/stray'), '')
  expect(await prune()).toBe(1)
  expect(existsSync(join(artifactFolder, ended.id, a.id))).toBe(false)
  now += 2 * dayMs
  await prune()
  now -= 2 * dayMs
  expect(existsSync(join(artifactFolder, ended.id))).toBe(false)
  expect(existsSync(join(artifactFolder, 'run_unknown'))).toBe(false)
  const away = await download(ended.id, b.id)
  expect([away.status, JSON.parse(away.bytes.toString())]).toMatchObject([
    404,
    { error: { code: 'artifact_elsewhere' } },
  ])
})

const cached = (word: string) => ({
  unit: {
    run: ['cat /cache/* || echo nothing kept', `echo kept-${word} > /cache/${word}`],
    cache: [{ path: '/cache', key: ['lock'] }],
  },
})

test('a cache is kept for as long as its key is the same, for one repository and one trust only', async () => {
  expect((await run(cached('one'), { lock: '1' })).log).toContain('nothing kept')
  expect((await run(cached('two'))).log).toMatch(/^kept-one$/m)
  const { log, sha } = await run(cached('three'), { lock: '2' })
  expect(log).not.toMatch(/^kept-/m)

  // A pull request of a fork neither sees nor changes it.
  const { call } = world.taxiway
  expect((await call('PATCH', `/repos/${world.repository.id}`, { pullRequests: 'all' })).status).toBe(200)
  const propose = async (number: number) => {
    await world.host.pullRequest(name, { number, sha, branch: 'proposal', from: 'mallory/web' })
    const { responseBody } = world.host.deliveries().at(-1) ?? { responseBody: '{}' }
    const { runId } = JSON.parse(responseBody)
    expect(await over(runId)).toMatchObject({ trusted: false, state: 'succeeded' })
    return world.taxiway.log(runId)
  }
  expect(await propose(7)).not.toMatch(/^kept-/m)
  expect(await propose(7)).toMatch(/^kept-three$/m)
  expect(await propose(8)).not.toMatch(/^kept-/m)
  expect((await run(cached('four'))).log).toMatch(/^kept-three$/m)

  // Another repository with the same files.
  const other = `acme/other-${process.pid}`
  const { cloneUrl } = await world.host.createRepository(other, { token: 'a-token' })
  const apiUrl = `${world.host.url}/api/v3`
  const { body } = await call('POST', '/repos', { host: 'github', url: cloneUrl, apiUrl, token: 'a-token' })
  repos.push(body.id)
  await world.host.setWebhook(other, body.webhook)
  const tree = join(folder, 'other-tree')
  mkdirSync(tree)
  writeFileSync(join(tree, 'Dockerfile'), 'FROM busybox:stable\n')
  writeFileSync(join(tree, 'lock'), '2')
  writeFileSync(join(tree, '.taxiway.yaml'), pipeline(cached('other')))
  const theirs = await commitAndPush(tree, { url: cloneUrl, token: 'a-token', message: 'One', branch: 'main' })
  const found = await eventually(async () => {
    const { items } = (await call('GET', `/runs?sha=${theirs}`)).body
    expect(items).toHaveLength(1)
    return items[0]
  }, 10_000)
  expect(await over(found.id)).toMatchObject({ state: 'succeeded' })
  expect(await world.taxiway.log(found.id)).toMatch(/nothing kept/)
  expect(await ourVolumes()).toHaveLength(5)
})

test('a key that leads out of the repository, or is not there, is told', async () => {
  const keyed = (key: string) => ({ unit: { run: ['true'], cache: [{ path: '/cache', key: [key] }] } })
  expect((await run(keyed('../../secret.key'))).run.reason.code).toBe('path_outside_repo')
  expect((await run(keyed('none.lock'))).run.reason.code).toBe('file_not_found')
})

test('caches go when nobody used them for two weeks, when they are too large, and with their repository', async () => {
  const id = await engineId(engine)
  const installations = new Set((await ourVolumes()).map(({ name: volume }) => volume.split('-')[2] as string))
  const [installation] = installations
  const deps = { store, engine: { ...engine, installation: installation as string }, cacheBytes: 1e12 }
  const prune = (bytes = 1e12) => pruneCaches({ ...deps, cacheBytes: bytes }, { days: 14, isPressed: false })
  expect(await prune()).toBe(0)
  const [oldest] = (await ourVolumes()).filter(({ repo }) => repo === world.repository.id)
  await store.redis.zadd(keys.caches(id), Date.now() - 15 * dayMs, oldest?.name ?? '')
  expect(await prune()).toBe(1)
  expect((await ourVolumes()).map(({ name: volume }) => volume)).not.toContain(oldest?.name)
  expect((await world.taxiway.call('DELETE', `/repos/${repos[1]}`)).status).toBe(204)
  expect(await prune()).toBe(1)
  expect(await prune(-1)).toBe(3)
  expect(await ourVolumes()).toEqual([])
})
