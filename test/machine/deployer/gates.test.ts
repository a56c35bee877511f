import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeWorld } from '../../world/make-world.ts'
import { freePort, isOver } from '../../world/taxiway.ts'
import { webManifests } from '../../world/web-manifests.ts'
import { eventually } from '../../world/world.ts'

const { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY } = process.env
/** Name of the token that these tests act with. */
const me = 'TAXIWAY_ADMIN_TOKEN'
let world: Awaited<ReturnType<typeof makeWorld>>
beforeAll(async () => {
  world = await makeWorld({
    folder: mkdtempSync(join(tmpdir(), 'taxiway-gates-')),
    target: 'docker',
    environment: { REDIS_URL, DOCKER_HOST, TAXIWAY_REGISTRY },
    name: `acme/gates-${process.pid}`,
    say: () => {},
  })
  writeFileSync(join(world.tree, 'k8s/web.yaml'), webManifests)
})
afterAll(() => world?.stop())
beforeEach(async () => {
  for (const name of ['staging', 'production']) await rule(name, {})
})

const call = (method: string, path: string, body?: object) =>
  world.taxiway.call(method, `/repos/${world.repository.id}/environments/${path}`, body)
const rule = async (name: string, rules: object) =>
  expect(await call('PUT', name, rules)).toMatchObject({ status: 200 })
const act = (path: string, body: object = {}) => call('POST', path, body)
const read = async (id: string) => (await world.taxiway.call('GET', `/runs/${id}`)).body
const over = (id: string) => world.taxiway.waitRun(id, isOver, 60_000)
const waits = (id: string, kind: string) => world.taxiway.waitRun(id, ({ waiting }) => waiting?.for === kind, 60_000)
const told = async (sha: string) => (await world.statuses(sha))['taxiway/deploy (production)']
const stateOf = (run: any, environment = 'production') =>
  run.stages.find((stage: any) => stage.environment === environment)?.state

/** A version of the application; with `staging` before production where its rules are given. */
async function push(version: string, production = '', staging?: string) {
  const before =
    staging === undefined ? '' : `  staging: { namespace: gates-staging, timeout: 8s, soak: 1s, ${staging} }\n`
  const after = staging === undefined ? '' : 'after: staging, '
  const pipeline = `version: 1\nimages: { web: {} }\ndeploy:\n${before}  production: { namespace: gates, timeout: 8s, soak: 1s, ${after}${production} }\n`
  writeFileSync(join(world.tree, '.taxiway.yaml'), pipeline)
  return world.push({ 'www/index.html': `version ${version}\n`, 'www/healthz': 'ok\n' }, `Say version ${version}`)
}
const pushBroken = async () => {
  writeFileSync(
    join(world.tree, '.taxiway.yaml'),
    `version: 1\nimages: { web: {} }\ndeploy: { production: { namespace: gates, timeout: 4s } }\n`,
  )
  return world.push({ 'www/index.html': 'broken\n', 'www/healthz': undefined }, 'Lose the health page')
}
const answers = (text: string, environment?: string) =>
  eventually(async () => expect((await world.visit(environment)).trim()).toBe(text), 15_000)

test('a release waits for its approval, says so everywhere, and begins when it is given', async () => {
  const { sha, runId } = await push('1', 'approval: required')
  const parked = await waits(runId, 'approval')
  expect(parked).toMatchObject({ state: 'running', attempt: 1 })
  expect(parked.waiting).toMatchObject({
    environment: 'production',
    message: 'Waiting for an approval of production',
    until: expect.any(String),
  })
  expect(Date.parse(parked.waiting.until) - Date.parse(parked.waiting.since)).toBe(24 * 3_600_000)
  expect(stateOf(parked)).toBe('pending')
  await eventually(
    async () =>
      expect(await told(sha)).toEqual({ state: 'pending', description: 'Waiting for an approval of production' }),
    10_000,
  )
  expect((await act('production/approve', { runId: 'run_00000000000000000000' })).body.error.code).toBe('not_found')
  expect((await act('staging/approve', { runId })).body.error.code).toBe('run_not_waiting')
  expect(await act('production/approve', { runId })).toMatchObject({ status: 200, body: { id: runId } })
  // A second click is not a second approval, and no other word either.
  expect((await act('production/approve', { runId })).status).toBe(200)
  expect((await act('production/reject', { runId })).body.error.code).toBe('run_not_waiting')
  const run = await over(runId)
  expect(run).toMatchObject({
    state: 'succeeded',
    approvals: [{ environment: 'production', who: me, at: expect.any(String) }],
  })
  expect(run).not.toHaveProperty('waiting')
  await answers('version 1')
  const [release] = (await call('GET', 'production/releases')).body.items
  expect(release).toMatchObject({
    state: 'live',
    current: true,
    event: 'push',
    approvedBy: me,
    runNumber: run.number,
  })
})

test('a rejected release ends its run and says who rejected it; one that waits can be cancelled', async () => {
  const first = await push('2', 'approval: required')
  await waits(first.runId, 'approval')
  expect((await act('production/approve', { runId: first.runId, approve: false })).status).toBe(200)
  const rejected = await over(first.runId)
  expect(rejected).toMatchObject({ state: 'cancelled', reason: { code: 'approval_rejected' } })
  expect(rejected.reason.message).toContain(`${me} rejected`)
  expect(stateOf(rejected)).toBe('cancelled')
  await eventually(async () => expect((await told(first.sha))?.description).toContain(`${me} rejected`), 10_000)
  const second = await push('3', 'approval: required')
  await waits(second.runId, 'approval')
  expect((await world.taxiway.call('POST', `/runs/${second.runId}/cancel`)).status).toBe(202)
  expect(await over(second.runId)).toMatchObject({ state: 'cancelled', reason: { code: 'cancelled_by' } })
  await answers('version 1')
})

test('an approval that nobody gives in time ends the run', async () => {
  const { runId } = await push('4', 'approval: required, approval_timeout: 2s')
  await waits(runId, 'approval')
  const run = await over(runId)
  expect(run).toMatchObject({ state: 'failed', reason: { code: 'approval_expired' } })
  expect(stateOf(run)).toBe('failed')
  expect((await act('production/approve', { runId })).status).toBe(409)
})

test('a newer run that comes as far takes the place of the one that waits', async () => {
  const older = await push('5', 'approval: required')
  await waits(older.runId, 'approval')
  const newer = await push('6', 'approval: required')
  await waits(newer.runId, 'approval')
  const left = await over(older.runId)
  expect(left).toMatchObject({ state: 'superseded' })
  expect(left.reason.message).toContain(newer.sha.slice(0, 7))
  expect((await act('production/approve', { runId: older.runId })).status).toBe(409)
  await act('production/approve', { runId: newer.runId })
  expect(await over(newer.runId)).toMatchObject({ state: 'succeeded' })
  await answers('version 6')
})

test('what an admin rules stands above the pipeline, and holds at once: approval, freeze, windows', async () => {
  await rule('production', { approval: 'required', freeze: { reason: 'the big sale' } })
  const { sha, runId } = await push('7')
  await waits(runId, 'approval')
  await act('production/approve', { runId })
  const frozen = await waits(runId, 'freeze')
  expect(frozen.waiting.message).toBe('Waiting: production is frozen: the big sale')
  await eventually(async () => expect((await told(sha))?.description).toContain('the big sale'), 10_000)
  const hour = (ahead: number) => `${String((new Date().getUTCHours() + ahead) % 24).padStart(2, '0')}:00`
  await rule('production', { windows: [`${hour(2)}-${hour(3)}`] })
  const closed = await waits(runId, 'window')
  expect(closed.waiting.message).toMatch(/^Waiting for the next window of production: \w{3} \d\d:00 UTC\.$/)
  expect(closed.waiting.until).toContain(`T${hour(2)}`)
  expect(await call('PUT', 'production', { windows: ['09:00-17:00'], timezone: 'Mars/Base' })).toMatchObject({
    status: 400,
    body: { error: { code: 'input_invalid' } },
  })
  const until = new Date(Date.now() + 4000).toISOString()
  await rule('production', { windows: ['00:00-00:00'], freeze: { reason: 'a moment', until } })
  await waits(runId, 'freeze')
  const run = await over(runId)
  expect(run).toMatchObject({ state: 'succeeded' })
  expect(Date.parse(run.stages.at(-1).startedAt)).toBeGreaterThanOrEqual(Date.parse(until))
  await answers('version 7')
})

test('the second release in a row that fails puts a hold on the environment; a rollback goes through and does not lift it', async () => {
  const first = await over((await pushBroken()).runId)
  expect(first).toMatchObject({ state: 'failed', reason: { code: 'deploy_unhealthy' } })
  expect((await call('GET', 'production')).body).not.toHaveProperty('hold')
  const again = await world.taxiway.call('POST', `/runs/${first.id}/rerun`)
  expect(await over(again.body.id)).toMatchObject({ state: 'failed' })
  const held = (await call('GET', 'production')).body
  expect(held.hold).toMatchObject({
    reason: expect.stringContaining('2 releases in a row failed'),
    since: expect.any(String),
  })
  const back = await act('production/rollback', {})
  expect(await over(back.body.id)).toMatchObject({ state: 'succeeded', event: 'rollback' })
  await answers('version 6')
  expect((await call('GET', 'production')).body.hold).toEqual(held.hold)
  const { runId } = await push('8')
  const parked = await waits(runId, 'hold')
  expect(parked.waiting.message).toMatch(/^Waiting: production is on hold until a person lifts it: 2 releases/)
  expect(parked.waiting.message.length).toBeLessThanOrEqual(140)
  expect(await call('DELETE', 'production/hold')).toMatchObject({ status: 200 })
  expect(await over(runId)).toMatchObject({ state: 'succeeded' })
  await answers('version 8')
  const { items } = (await call('GET', 'production/releases')).body
  expect(items.map((one: any) => `${one.event} ${one.state}`).slice(0, 6)).toEqual([
    'push live',
    'rollback live',
    'restore live',
    'rerun restored',
    'restore live',
    'push restored',
  ])
  expect(items[1]).toMatchObject({ who: me, repeats: expect.any(Number) })
  expect(items[3].reason).toMatchObject({ code: 'deploy_unhealthy' })
})

test('what is live in staging is promoted with the same images, and nothing is built', async () => {
  const { runId } = await push('9', 'approval: required', '')
  const run = await waits(runId, 'approval')
  await answers('version 9', 'staging')
  await answers('version 8')
  const promoted = await act('staging/promote', { to: 'production' })
  expect(promoted).toMatchObject({ status: 201, body: { event: 'promote', sha: run.sha, images: run.images } })
  expect(promoted.body.asked).toMatchObject({ who: me, runId, environment: 'staging' })
  const { id } = promoted.body
  // The gates of where it goes hold for it as well.
  await waits(id, 'approval')
  expect(await over(runId)).toMatchObject({ state: 'superseded' })
  await act('production/approve', { runId: id })
  const done = await over(id)
  expect(done.state).toBe('succeeded')
  expect(done.stages.map(({ name, state }: any) => `${name} ${state}`)).toEqual([
    'checkout skipped',
    'build skipped',
    'test skipped',
    'publish skipped',
    'deploy succeeded',
  ])
  await answers('version 9')
  expect(await world.runningDigests()).toEqual(await world.runningDigests('staging'))
})

test('an earlier run is deployed by hand, a rollback gives any kept release again, and the next push moves on', async () => {
  const { items } = (await call('GET', 'production/releases')).body
  const eighth = items.find((one: any) => one.event === 'push' && one.state === 'live')
  const deployed = await act('production/deploy', { runId: eighth.runId })
  expect(deployed).toMatchObject({ status: 201, body: { event: 'deploy', asked: { runId: eighth.runId } } })
  expect(await over(deployed.body.id)).toMatchObject({ state: 'succeeded' })
  await answers('version 8')
  const first = items.at(-1)
  const back = await act('production/rollback', { generation: first.generation })
  expect(back.body.asked).toMatchObject({ generation: first.generation })
  expect(await over(back.body.id)).toMatchObject({ state: 'succeeded' })
  await answers('version 1')
  const again = await world.taxiway.call('POST', `/runs/${deployed.body.id}/rerun`)
  expect(again).toMatchObject({ status: 201, body: { event: 'deploy' } })
  expect(await over(again.body.id)).toMatchObject({ state: 'succeeded' })
  await answers('version 8')
  expect(await over((await push('10')).runId)).toMatchObject({ state: 'succeeded' })
  await answers('version 10')
})

test('what can not be done is refused with its reason', async () => {
  const { items } = (await call('GET', 'production/releases')).body
  const failed = items.find((one: any) => one.state === 'restored')
  const code = async (answer: Promise<{ body: any }>) => (await answer).body.error?.code
  expect(await code(act('production/rollback', { generation: 999 }))).toBe('release_not_found')
  expect(await code(act('production/rollback', { generation: failed.generation }))).toBe('release_not_healthy')
  expect(await code(act('nowhere/rollback'))).toBe('not_found')
  expect(await code(act('staging/promote', { to: 'nowhere' }))).toBe('not_allowed_for_ref')
  expect(await code(act('production/deploy', { runId: 'run_00000000000000000000' }))).toBe('not_found')
  expect(await code(act('production/deploy', { runId: 'x'.repeat(300) }))).toBe('not_found')
  expect(await code(act('staging/rollback'))).toBe('no_earlier_release')
  await rule('fresh', {})
  expect(await code(act('fresh/promote', { to: 'production' }))).toBe('nothing_live')
  expect(await code(act('fresh/rollback'))).toBe('no_earlier_release')

  writeFileSync(
    join(world.tree, '.taxiway.yaml'),
    'version: 1\nimages: { web: {} }\ntest: { unit: { run: ["exit 1"] } }\ndeploy: { production: { namespace: gates } }\n',
  )
  const untested = await world.push({ 'www/index.html': 'untested\n' }, 'Fail the test')
  expect(await over(untested.runId)).toMatchObject({ state: 'failed', reason: { code: 'test_failed' } })
  expect(await code(act('production/deploy', { runId: untested.runId }))).toBe('run_not_published')

  await world.taxiway.call('PATCH', `/repos/${world.repository.id}`, { pullRequests: 'all' })
  writeFileSync(
    join(world.tree, '.taxiway.yaml'),
    'version: 1\non: { pull_request: {} }\nimages: { web: {} }\ndeploy: { production: { namespace: gates } }\n',
  )
  const pushed = await world.push({ 'www/index.html': 'proposal\n' }, 'Propose')
  expect(await over(pushed.runId)).toMatchObject({ state: 'succeeded' })
  const { sha } = pushed
  await world.host.pullRequest(world.repository.name, { number: 3, sha, branch: 'main', from: 'mallory/web' })
  const { runId } = JSON.parse(world.host.deliveries().at(-1)?.responseBody ?? '{}')
  await over(runId)
  expect(await act('production/deploy', { runId })).toMatchObject({
    status: 403,
    body: { error: { code: 'not_allowed_for_ref' } },
  })
})

test('an environment that comes after another gets only what was live there', async () => {
  writeFileSync(
    join(world.tree, '.taxiway.yaml'),
    'version: 1\nimages: { web: {} }\ndeploy:\n  staging: { namespace: gates-staging, timeout: 8s, approval: required }\n  production: { namespace: gates, after: staging }\n',
  )
  const { runId } = await world.push({ 'www/index.html': 'version 11\n' }, 'Say version 11')
  await waits(runId, 'approval')
  expect((await act('production/deploy', { runId })).body.error.code).toBe('after_not_live')
  await act('staging/reject', { runId })
  expect(stateOf(await read(runId), 'production')).toBe('cancelled')
})

/** The real program, as a process of its own. */
async function taxiway(args: string[], environment: Record<string, string> = {}) {
  const main = join(import.meta.dirname, '../../../services/cli/main.ts')
  const own = { TAXIWAY_URL: world.taxiway.url, TAXIWAY_TOKEN: world.taxiway.token, NO_COLOR: '1' }
  const child = spawn(process.execPath, [main, ...args], { env: { ...process.env, ...own, ...environment } })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      text += chunk
    })
  const [code] = await once(child, 'close')
  return { code, text }
}

test('the program does all of that, and ends with 1 and the sentence of the server when it is refused', async () => {
  const { name } = world.repository
  const before = (await world.visit()).trim()
  const { runId } = await push('12', 'approval: required')
  const { url } = await waits(runId, 'approval')
  expect(await taxiway(['approve', `${url}#log`, '--wait'])).toEqual({
    code: 0,
    text: expect.stringMatching(/#\d+ may go to production\.\n.*\n {2}succeeded\n$/),
  })
  await answers('version 12')
  const back = await taxiway(['rollback', name, 'production', '--wait', '--json'])
  expect(JSON.parse(back.text)).toMatchObject({ event: 'rollback', state: 'succeeded' })
  await answers(before)
  expect((await taxiway(['deploy', name, 'production', runId])).code).toBe(0)
  const waiting = await eventually(async () => {
    const { items } = (await world.taxiway.call('GET', `/runs?repo=${name}`)).body
    expect(items[0]).toMatchObject({ event: 'deploy', waiting: { for: 'approval' } })
    return items[0]
  }, 10_000)
  expect((await taxiway(['reject', waiting.id])).text).toContain('does not go to production')
  expect(await over(waiting.id)).toMatchObject({ state: 'cancelled' })
  const listed = await taxiway(['releases', name, 'production'])
  expect(listed.text).toMatch(
    /^\* +\d+ {2}live +[0-9a-f]{7} .* rollback of release \d+ by run #\d+ \(TAXIWAY_ADMIN_TOKEN\)/,
  )
  expect(listed.text).toContain('approved by TAXIWAY_ADMIN_TOKEN')
  expect(await taxiway(['unhold', name, 'production'])).toMatchObject({ code: 0 })
  const nobody = `http://127.0.0.1:${await freePort()}`
  for (const [args, environment, code, words] of [
    [['approve', runId], {}, 1, 'waits for no approval'],
    [['approve', runId, 'production'], {}, 0, 'may go to production'],
    [['promote', name, 'production', 'nowhere'], {}, 1, '[not_allowed_for_ref]'],
    [['rollback', name, 'production', '--to', '999'], {}, 1, '[release_not_found]'],
    [['rollback', name, 'production', '--to', 'x'], {}, 1, '--to is a number'],
    [['rollback', 'acme/nothing', 'production'], {}, 1, 'It knows acme/'],
    [['releases', name], {}, 2, 'Usage: taxiway releases REPO ENVIRONMENT'],
    [['releases', name, 'production', '--nonsense'], {}, 2, 'nonsense'],
    [['releases', name, 'production'], { TAXIWAY_TOKEN: '' }, 1, 'Set TAXIWAY_TOKEN'],
    [['releases', name, 'production'], { TAXIWAY_TOKEN: 'wrong' }, 1, '[unauthorized]'],
    [['releases', name, 'production'], { TAXIWAY_URL: nobody }, 1, 'does not answer: ECONNREFUSED'],
    [['releases', name, 'production', '--server', 'ftp://x'], {}, 1, 'no address of a server'],
    [['promote', '--help'], {}, 0, 'Usage: taxiway promote REPO FROM TO'],
  ] as const) {
    const answer = await taxiway([...args], { ...environment })
    expect([args.join(' '), answer.code, answer.text]).toEqual([args.join(' '), code, expect.stringContaining(words)])
  }
})
