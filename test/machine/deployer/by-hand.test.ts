import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { oracleAfterEach } from '../../oracle/after-each.ts'
import { gateScene, me } from './gate-scene.ts'

const { world, call, rule, unrule, act, read, over, waits, stateOf, push, pushBroken, answers } =
  await gateScene('by-hand')
/** Two that were live, and one between them that failed. */
beforeAll(async () => {
  expect(await over((await push('1')).runId)).toMatchObject({ state: 'succeeded' })
  expect(await over((await pushBroken()).runId)).toMatchObject({ state: 'failed' })
  expect(await over((await push('8')).runId)).toMatchObject({ state: 'succeeded' })
})
beforeEach(unrule)
afterAll(() => world.stop())
oracleAfterEach(() => world.observed)

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
    'version: 1\nimages: { web: {} }\ntest: { unit: { run: ["exit 1"] } }\ndeploy: { production: { namespace: gates, soak: 1s } }\n',
  )
  const untested = await world.push({ 'www/index.html': 'untested\n' }, 'Fail the test')
  expect(await over(untested.runId)).toMatchObject({ state: 'failed', reason: { code: 'test_failed' } })
  expect(await code(act('production/deploy', { runId: untested.runId }))).toBe('run_not_published')

  await world.taxiway.call('PATCH', `/repos/${world.repository.id}`, { pullRequests: 'all' })
  writeFileSync(
    join(world.tree, '.taxiway.yaml'),
    'version: 1\non: { pull_request: {} }\nimages: { web: {} }\ndeploy: { production: { namespace: gates, soak: 1s } }\n',
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
