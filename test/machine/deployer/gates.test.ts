import { afterAll, beforeEach, expect, test } from 'vitest'
import { oracleAfterEach } from '../../oracle/after-each.ts'
import { eventually } from '../../world/world.ts'
import { gateScene, me } from './gate-scene.ts'

const { world, call, rule, unrule, act, over, waits, told, stateOf, push, pushBroken, answers } =
  await gateScene('gates')
beforeEach(unrule)
afterAll(() => world.stop())
oracleAfterEach(() => world.observed)

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
  await rule('production', { windows: ['00:00-00:00'], freeze: { reason: 'a moment' } })
  await waits(runId, 'freeze')
  const until = new Date(Date.now() + 2000).toISOString()
  await rule('production', { windows: ['00:00-00:00'], freeze: { reason: 'a moment', until } })
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
