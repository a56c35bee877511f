import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { git } from '../../git-host/git.ts'
import { makeWorld } from '../../world/make-world.ts'
import { isOver } from '../../world/taxiway.ts'
import { eventually } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
const name = `acme/triggers-${process.pid}`
let world: Awaited<ReturnType<typeof makeWorld>>
beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-triggers-')),
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY, TAXIWAY_CONCURRENCY: '2' },
    name,
    roles: ['api', 'builder', 'status'],
    say: () => {},
  })
})
afterAll(() => world?.stop())
beforeEach(() => change({ branches: ['**'], tags: [], pullRequests: 'none', maxRuns: 0 }))

const call = (method: string, path: string, body?: object) => world.taxiway.call(method, path, body)
const change = async (to: object) => expect((await call('PATCH', `/repos/${world.repository.id}`, to)).status).toBe(200)
const over = (id: string) => world.taxiway.waitRun(id, isOver, 60_000)
const states = (run: { stages: { name: string; state: string }[] }) =>
  Object.fromEntries(run.stages.map((stage) => [stage.name, stage.state]))
const isTesting = (run: any) => states(run).test === 'running'
const pipeline = (text: string) =>
  writeFileSync(join(world.tree, '.taxiway.yaml'), `version: 1\nimages: { web: {} }\n${text}\n`)
const unit = (...run: string[]) => `test: { unit: { image: web, run: ${JSON.stringify(run)} } }`
const lastDelivery = () => {
  const { status, responseBody } = world.host.deliveries().at(-1) ?? { status: 0, responseBody: '{}' }
  return { status, body: JSON.parse(responseBody) }
}
const runOf = async (sha: string, event: string) =>
  eventually(async () => {
    const { body } = await call('GET', `/runs?repo=${world.repository.id}&sha=${sha}`)
    const found = body.items.find((run: { event: string }) => run.event === event)
    expect(found, `a run by ${event}`).toBeDefined()
    return found
  }, 10_000)
async function pushTag(tag: string) {
  const before = world.host.deliveries().length
  await git(world.tree, ['push', '--quiet', world.pushUrl, `HEAD:refs/tags/${tag}`])
  await eventually(async () => expect(world.host.deliveries().length).toBeGreaterThan(before), 5000)
  return lastDelivery()
}

test('a tag starts a run when the repository and the pipeline both say so, and says why when they do not', async () => {
  pipeline(`on: { push: { branches: [none] }, tag: ["v*"] }\n${unit('echo "tag of $TAXIWAY_SHA"')}`)
  const { sha, runId } = await world.push({}, 'Release')
  await over(runId)
  expect(await pushTag('v0')).toMatchObject({
    status: 200,
    body: { ignored: expect.stringMatching(/Tag v0 is not among the tags/) },
  })
  await change({ tags: ['**'] })
  await expect(pushTag('v1.2.3')).resolves.toMatchObject({ status: 202 })
  const run = await over((await runOf(sha, 'tag')).id)
  expect(run).toMatchObject({ state: 'succeeded', event: 'tag', tag: 'v1.2.3', branch: '', sha })
  expect(states(run)).toEqual({ checkout: 'succeeded', build: 'succeeded', test: 'succeeded', publish: 'succeeded' })
  const other = await pushTag('nightly')
  const left = await over(other.body.runId)
  expect(left).toMatchObject({ state: 'succeeded', notes: [{ code: 'ignored_by_pipeline' }] })
  expect(left.notes[0].message).toContain('on.tag does not name nightly')
})

test('a push that the pipeline leaves out ends at once, with every stage skipped and the rule told', async () => {
  pipeline(`on: { push: { paths: ["src/**"] } }\n${unit('true')}`)
  await over((await world.push({}, 'Set the rule')).runId)
  const { sha, runId } = await world.push({ 'notes.md': 'text' }, 'Only a note')
  const run = await over(runId)
  expect(run.state).toBe('succeeded')
  expect(states(run)).toEqual({ checkout: 'succeeded', build: 'skipped', test: 'skipped', publish: 'skipped' })
  expect(run.notes).toEqual([
    {
      code: 'ignored_by_pipeline',
      message: 'The pipeline leaves this out: on.push.paths names none of the changed files.',
    },
  ])
  await eventually(async () => {
    const held = (await world.statuses(sha))['taxiway/build']
    expect(held).toMatchObject({ state: 'success', description: expect.stringContaining('on.push.paths') })
  }, 15_000)
})

test('a pull request of a branch is built as what it is; one of a fork only where that is wanted, and never published', async () => {
  pipeline(
    `on: { push: { branches: [none] }, pull_request: { branches: [main] } }\n${unit('echo tested')}\ndeploy: { production: {} }`,
  )
  const { sha, runId } = await world.push({}, 'Proposal')
  await over(runId)
  const open = async (more: object) => {
    await world.host.pullRequest(name, { number: 7, sha, branch: 'proposal', ...more })
    return lastDelivery()
  }
  expect(await open({})).toMatchObject({
    status: 200,
    body: { ignored: expect.stringMatching(/Pull requests start nothing/) },
  })
  await change({ pullRequests: 'members' })
  expect(await open({ from: 'mallory/web' })).toMatchObject({
    body: { ignored: expect.stringMatching(/Pull request #7 comes from a fork/) },
  })
  const own = await over((await open({})).body.runId)
  const shown = { event: 'pull_request', branch: 'proposal', sha }
  expect(own).toMatchObject({
    ...shown,
    state: 'succeeded',
    trusted: true,
    pullRequest: { number: 7, base: 'main', fork: false },
  })
  expect(states(own)).toMatchObject({ test: 'succeeded', publish: 'succeeded' })
  await change({ pullRequests: 'all' })
  const fork = await over((await open({ from: 'mallory/web', action: 'synchronize' })).body.runId)
  expect(fork).toMatchObject({ ...shown, state: 'succeeded', trusted: false, pullRequest: { fork: true } })
  expect(states(fork)).toMatchObject({ test: 'succeeded', publish: 'skipped' })
  expect(fork.images[0]).not.toHaveProperty('digest')
  const again = (await call('POST', `/runs/${fork.id}/rerun`)).body
  expect(await over(again.id)).toMatchObject({ trusted: false, state: 'succeeded', pullRequest: { number: 7 } })
  expect(await open({ action: 'closed' })).toMatchObject({ status: 200 })
})

test('a commit that only refs/pull has is fetched from there', async () => {
  pipeline(`on: { pull_request: {} }\n${unit('cat /app/serve.sh > /dev/null')}`)
  await over((await world.push({}, 'Base')).runId)
  const tree = (await git(world.tree, ['rev-parse', 'HEAD^{tree}'])).trim()
  const { folder } = world.host.repository(name)
  const who = { GIT_AUTHOR_NAME: 'm', GIT_AUTHOR_EMAIL: 'm@x', GIT_COMMITTER_NAME: 'm', GIT_COMMITTER_EMAIL: 'm@x' }
  const sha = (await git(folder, ['commit-tree', '-m', 'From a fork', tree], { env: who })).trim()
  // A server that gives no commit by its name is asked for the ref.
  await git(folder, ['config', 'uploadpack.allowAnySHA1InWant', 'false'])
  await git(folder, ['config', 'uploadpack.allowReachableSHA1InWant', 'false'])
  await change({ pullRequests: 'all' })
  await world.host.pullRequest(name, { number: 8, sha, branch: 'main', from: 'mallory/web' })
  expect(await over(lastDelivery().body.runId)).toMatchObject({ state: 'succeeded', branch: 'main', trusted: false })
})

test('a run is started by hand, with inputs that the pipeline checks', async () => {
  const start = (body: object) => call('POST', `/repos/${world.repository.id}/runs`, body)
  const manual = 'manual: { inputs: { level: { options: [info, debug], default: info }, what: {} } }'
  pipeline(
    `on: { push: { branches: [none] }, ${manual} }\n${unit('echo "level=$TAXIWAY_INPUT_LEVEL what=$TAXIWAY_INPUT_WHAT"')}`,
  )
  const { sha, runId } = await world.push({}, 'By hand')
  await over(runId)
  const started = await start({ branch: 'main', inputs: { what: 'all of it' } })
  expect(started).toMatchObject({ status: 201, body: { event: 'manual', branch: 'main', sha, message: 'By hand' } })
  expect(await over(started.body.id)).toMatchObject({ state: 'succeeded', inputs: { what: 'all of it' } })
  expect(await world.taxiway.log(started.body.id)).toContain('level=info what=all of it')
  expect((await start({})).body).toMatchObject({ branch: 'main', sha })
  expect((await start({ sha })).body).toMatchObject({ branch: '', sha })
  const wrong = await over((await start({ inputs: { what: 'x', levle: 'info' } })).body.id)
  expect(wrong).toMatchObject({ state: 'failed', reason: { code: 'input_invalid' } })
  expect(wrong.reason.message).toContain('known are level, what')
  for (const [body, code] of [
    [{ branch: 'nowhere' }, 'ref_not_found'],
    [{ branch: '../x' }, 'ref_invalid'],
    [{ branch: 'main', sha }, 'input_invalid'],
    [{ sha: 'f'.repeat(40) }, 'ref_not_found'],
    [{ branch: sha }, 'ref_not_found'],
  ] as const)
    expect((await start(body)).body.error?.code, JSON.stringify(body)).toBe(code)
  pipeline(unit('true'))
  await over((await world.push({}, 'Not by hand')).runId)
  expect((await over((await start({})).body.id)).reason).toMatchObject({ code: 'manual_not_allowed' })
})

test('a run that takes longer than its pipeline allows fails, and says so', async () => {
  pipeline(`timeout: 3s\n${unit('sleep 30')}`)
  const run = await over((await world.push({}, 'Too slow')).runId)
  expect(run).toMatchObject({ state: 'failed', reason: { code: 'timeout' } })
  expect(run.reason.message).toContain('The run ran longer than 3 s')
  expect(states(run).test).toBe('failed')
  expect(Date.parse(run.finishedAt) - Date.parse(run.startedAt)).toBeLessThan(18_000)
})

test('with concurrency newest, a newer push takes the place of what is being tested, and of what still waits', async () => {
  await change({ maxRuns: 1 })
  pipeline(`concurrency: newest\n${unit('sleep 20')}`)
  const first = await world.push({}, 'First')
  await world.taxiway.waitRun(first.runId, isTesting, 30_000)
  const second = await world.push({}, 'Second')
  const waiting = await world.taxiway.waitRun(second.runId, (run) => run.waiting, 10_000)
  expect(waiting.waiting).toMatchObject({
    for: 'concurrency',
    place: 1,
    message: expect.stringMatching(/^Waiting: 1st in line of this/),
  })
  await change({ maxRuns: 0 })
  pipeline(`concurrency: newest\n${unit('echo fast')}`)
  const third = await world.push({}, 'Third')
  expect(await over(third.runId)).toMatchObject({ state: 'succeeded' })
  for (const { runId } of [first, second]) {
    const run = await over(runId)
    expect(run).toMatchObject({ state: 'superseded', reason: { code: 'superseded' } })
    expect(run.reason.message).toMatch(/run #\d+ \([0-9a-f]{7}\)/)
  }
})
