import { expect, test } from 'vitest'
import type { PlannedEnvironment } from '../plan/environment.ts'
import { releaseStates } from '../run/parts.ts'
import type { EnvironmentRules } from './environment.ts'
import { closedGate, type GateFacts, hasBegun, isExpired } from './gate.ts'

const nowMs = Date.parse('2026-11-25T10:00:00Z')
const planned = (more: Partial<PlannedEnvironment> = {}): PlannedEnvironment => ({
  name: 'production',
  namespace: 'shop',
  manifests: 'k8s',
  timeoutMs: 1000,
  ...more,
})
const gate = (environment: Partial<PlannedEnvironment>, rules: EnvironmentRules = {}, more: Partial<GateFacts> = {}) =>
  closedGate({ run: {}, environment: planned(environment), rules, hold: undefined, nowMs, ...more })
const approvals = [{ environment: 'production', who: 'ann', at: '2026-11-25T09:00:00Z' }]

test('nothing is asked for, so nothing waits', () => {
  expect(gate({})).toBeUndefined()
})

test('an approval of this environment opens it, one of another does not', () => {
  expect(gate({}, { approval: 'required' })).toMatchObject({ kind: 'approval', since: '2026-11-25T10:00:00.000Z' })
  const asked = { approval: { timeoutMs: 3_600_000 } }
  expect(gate(asked)).toMatchObject({ until: '2026-11-25T11:00:00.000Z' })
  expect(gate(asked, { approvalTimeoutMinutes: 10 })).toMatchObject({ until: '2026-11-25T10:10:00.000Z' })
  expect(gate(asked, {}, { run: { approvals } })).toBeUndefined()
  expect(gate(asked, {}, { run: { approvals: [{ ...approvals[0], environment: 'staging' } as never] } })?.kind).toBe(
    'approval',
  )
})

test('it waits for an approval since it first did, however often that is looked at, and expires once', () => {
  const first = gate({ approval: { timeoutMs: 60_000 } })
  const later = gate(
    { approval: { timeoutMs: 60_000 } },
    {},
    { run: { ...(first && { gate: first }) }, nowMs: nowMs + 59_999 },
  )
  expect(later).toEqual(first)
  expect(first && isExpired(first, nowMs + 59_999)).toBe(false)
  expect(first && isExpired(first, nowMs + 60_000)).toBe(true)
})

test('what is told first: approval, hold, freeze, window; a frozen time that is over freezes nothing', () => {
  const rules: EnvironmentRules = { freeze: { reason: 'the big sale' }, windows: ['Mon 09:00-10:00'] }
  const hold = { reason: '2 releases in a row failed', since: '2026-11-25T09:00:00Z' }
  const kinds = [
    gate({ approval: { timeoutMs: 1 } }, rules, { hold }),
    gate({}, rules, { hold }),
    gate({}, rules),
    gate({}, { ...rules, freeze: { reason: 'over', until: '2026-11-25T10:00:00Z' } }),
  ].map((one) => one?.kind)
  expect(kinds).toEqual(['approval', 'hold', 'freeze', 'window'])
  expect(gate({}, { freeze: { reason: 'soon over', until: '2026-11-25T10:00:01Z' } })).toMatchObject({
    kind: 'freeze',
    until: '2026-11-25T10:00:01.000Z',
  })
})

test('windows of the pipeline and of the admin both hold, and the next time for both is told', () => {
  const both = gate(
    { windows: ['Mon-Fri 08:00-12:00'], timezone: 'UTC' },
    { windows: ['Thu 11:00-20:00'], timezone: 'Europe/Berlin' },
  )
  expect(both).toMatchObject({
    until: '2026-11-26T10:00:00.000Z',
    message: 'Waiting for the next window of production: Thu 11:00 Europe/Berlin.',
  })
  expect(gate({ windows: ['Mon 09:00-10:00'] }, { windows: ['Tue 09:00-10:00'] })?.message).toContain('leave no time')
})

test('a roll-out that was cut short goes on, one that failed and is tried again asks at the gate', () => {
  const after = (...states: (typeof releaseStates)[number][]) =>
    hasBegun(
      { releases: states.map((state, index) => ({ environment: 'production', generation: index + 1, state })) },
      'production',
    )
  expect(after()).toBe(false)
  expect(releaseStates.filter((state) => !after(state))).toEqual(['failed', 'superseded'])
  expect(after('failed', 'restoring')).toBe(true)
  expect(after('restored', 'failed')).toBe(false)
  expect(hasBegun({ releases: [{ environment: 'staging', generation: 1, state: 'live' }] }, 'production')).toBe(false)
})

test('no message is longer than a git host takes', () => {
  const name = 'a'.repeat(40)
  for (const rules of [{ approval: 'required' }, { freeze: { reason: 'r'.repeat(200) } }] as EnvironmentRules[])
    expect(gate({ name }, rules)?.message.length).toBeLessThanOrEqual(140)
})
