import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { git } from '../../git-host/git.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { pushBody, send } from '../../world/webhooks.ts'
import { eventually } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
const name = `acme/verdicts-${process.pid}`
let world: Awaited<ReturnType<typeof makeWorld>>
beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-verdicts-')),
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, TAXIWAY_CONCURRENCY: '2' },
    name,
    roles: ['api', 'builder', 'status'],
    say: () => {},
  })
  await call('PATCH', '', { branches: ['**'], tags: ['**'], pullRequests: 'all' })
  pipeline('')
  await over((await world.push({}, 'Begin')).runId)
})
afterAll(() => world?.stop())
beforeEach(async () => {
  await git(world.tree, ['checkout', '--quiet', '--force', 'main'])
})

const call = (method: string, path: string, body?: object) =>
  world.taxiway.call(method, `/repos/${world.repository.id}${path}`, body)
const over = (id: string) => world.taxiway.waitRun(id, isOver, 90_000)
const identity = ['-c', 'user.name=Sample', '-c', 'user.email=sample@example.com']
const run = (...args: string[]) => git(world.tree, [...identity, ...args])
const head = async () => (await run('rev-parse', 'HEAD')).trim()
/** A pipeline of one quick test, in an image that builds in a moment. */
const pipeline = (more: string, test = 'true') =>
  writeFileSync(
    join(world.tree, '.taxiway.yaml'),
    `version: 1\nimages: { web: {} }\n${more}\ntest: { unit: { run: ['${test}'] } }\n`,
  )
async function commit(files: Record<string, string>, message = 'Change'): Promise<string> {
  for (const [path, text] of Object.entries(files)) writeFileSync(join(world.tree, path), text)
  await run('add', '--all')
  await run('commit', '--quiet', '--allow-empty', `--message=${message}`)
  return head()
}
/** Pushes what is checked out. @returns its run, once that is over */
async function pushed(ref: string, ...more: string[]) {
  const before = world.host.deliveries().length
  await git(world.tree, ['push', '--quiet', ...more, world.pushUrl, `HEAD:${ref}`])
  return over(await newRun(before))
}
const newRun = (before: number): Promise<string> =>
  eventually(async () => {
    const told = world.host.deliveries()[before]
    expect(told).toMatchObject({ status: 202 })
    return JSON.parse(told?.responseBody ?? '{}').runId
  }, 10_000)
async function proposed(number: number, sha: string, more: object = {}) {
  const before = world.host.deliveries().length
  await world.host.pullRequest(name, { number, sha, branch: `proposal-${number}`, ...more })
  return over(await newRun(before))
}
const expectHeld = (sha: string, wanted: object) =>
  eventually(async () => expect(await world.statuses(sha)).toMatchObject(wanted), 15_000)
const said = (state: string, description: string) => ({ state, description: expect.stringContaining(description) })

test('an annotated tag’s run is that of its commit, even if the payload names the tag’s own object', async () => {
  pipeline('on: { push: {}, tag: ["**"] }')
  const sha = await commit({}, 'Release')
  await pushed('refs/heads/main')
  await run('tag', '--annotate', '--message=Version 5', 'v5')
  const object = (await run('rev-parse', 'refs/tags/v5')).trim()
  await git(world.tree, ['push', '--quiet', world.pushUrl, 'refs/tags/v5'])
  const hook = { url: `${world.taxiway.url}/webhooks/github`, secret: world.observed.secrets[1] ?? '' }
  const told = { ref: 'refs/tags/v5', after: object, head_commit: null, created: true }
  const { status, body } = await send(hook, pushBody(name, object, told))
  expect(status).toBe(202)
  const found = await over(body.runId)
  expect(found).toMatchObject({ state: 'succeeded', tag: 'v5', sha })
  expect(found.notes).toBeUndefined()
  expect((await world.taxiway.call('GET', `/runs?sha=${sha}`)).body.items.map(({ id }: any) => id)).toContain(
    body.runId,
  )
  const byHand = await call('POST', '/runs', { tag: 'v5' })
  expect(byHand).toMatchObject({ status: 201, body: { event: 'manual', tag: 'v5', sha } })
  expect(await over(byHand.body.id)).toMatchObject({ state: 'succeeded' })
  expect((await call('POST', '/runs', { tag: 'v6' })).body.error.message).toContain('no tag v6')
})

test('what changed is known for pull requests, new branches, forced pushes and many commits, and what is left out answers', async () => {
  pipeline('on: { push: { paths: ["**", "!*.md"] }, pull_request: { paths: ["**", "!*.md"] } }')
  await commit({ 'a.txt': 'one' })
  await pushed('refs/heads/main')
  const leftOut = async (found: any, rule: string) => {
    expect(found.notes?.[0]?.message).toContain(`on.${rule}.paths names none of the changed files`)
    const answer = said('success', `on.${rule}.paths`)
    await expectHeld(found.sha, { 'taxiway/build': answer, 'taxiway/test': answer })
  }
  await run('checkout', '--quiet', '-b', 'docs')
  await commit({ 'a.md': 'one' })
  const docs = await commit({ 'b.md': 'two' })
  await leftOut(await pushed('refs/heads/docs'), 'push')
  await git(world.tree, ['checkout', '--quiet', 'main'])
  await commit({ 'b.txt': 'main goes on' })
  await pushed('refs/heads/main')
  await leftOut(await proposed(31, docs), 'pull_request')
  await git(world.tree, ['checkout', '--quiet', 'docs'])
  for (let index = 0; index < 22; index++) await commit({ 'a.md': `${index}` })
  await leftOut(await pushed('refs/heads/docs'), 'push')
  await run('commit', '--quiet', '--amend', '--allow-empty', '--message=Amended')
  await leftOut(await pushed('refs/heads/docs', '--force'), 'push')
  await commit({ 'c.txt': 'code' })
  const code = await pushed('refs/heads/docs')
  expect(code).toMatchObject({ state: 'succeeded' })
  expect(code.notes).toBeUndefined()
})

test('runs of one commit for several branches have their worst verdict, and untrusted code has none beside them', async () => {
  pipeline('on: { push: {}, pull_request: {} }', '[ "$TAXIWAY_BRANCH" != release ]')
  const sha = await commit({ 'd.txt': 'one' })
  expect(await pushed('refs/heads/main')).toMatchObject({ state: 'succeeded' })
  expect(await pushed('refs/heads/release')).toMatchObject({ state: 'failed' })
  await expectHeld(sha, { 'taxiway/test': { state: 'failure' } })
  expect(await pushed('refs/heads/next')).toMatchObject({ state: 'succeeded' })
  expect(await proposed(32, sha, { from: 'mallory/web' })).toMatchObject({ state: 'succeeded', trusted: false })
  const quiet = await commit({ 'd.txt': 'two' }, 'Change [no ci]')
  const before = world.host.deliveries().length
  await git(world.tree, ['push', '--quiet', world.pushUrl, 'HEAD:refs/heads/quiet'])
  await eventually(async () => expect(world.host.deliveries()[before]?.responseBody).toContain('skip CI'), 10_000)
  const skipped = await proposed(33, quiet)
  expect(skipped).toMatchObject({ state: 'succeeded', notes: [{ code: 'ignored_skip_ci' }] })
  await expectHeld(quiet, { 'taxiway/build': said('pending', 'skip CI'), 'taxiway/test': said('pending', 'skip CI') })
  // All that was to be told of the first commit has been by now.
  expect(await world.statuses(sha)).toMatchObject({ 'taxiway/test': { state: 'failure' } })
})

test('a near miss of the file’s name is refused before anything is built', async () => {
  await run('mv', '.taxiway.yaml', '.taxiway.yml')
  await commit({})
  const found = await pushed('refs/heads/misnamed')
  expect(found).toMatchObject({ state: 'failed', images: [], reason: { code: 'config_misnamed' } })
  expect(found.reason.message).toBe(
    '.taxiway.yml is not read. Rename it to .taxiway.yaml, in the root of the repository.',
  )
})
