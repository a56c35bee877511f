import { expect, test } from 'vitest'
import { type ReasonCode, reason } from '../reason.ts'
import { retryPauseMs } from './retry.ts'

const pauses = [1000, 3000, 10_000]
const met = (code: ReasonCode, retryAfterMs?: number) => ({
  code,
  message: '',
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
})
const after = (code: ReasonCode, retryAfterMs?: number) =>
  [0, 1, 2, 3].map((retries) => retryPauseMs(met(code, retryAfterMs), retries, pauses))

test('an outage of a neighbour is tried again after each pause', () => {
  for (const code of [
    'git_unavailable',
    'registry_unavailable',
    'docker_unavailable',
    'docker_daemon_restarted',
  ] as const)
    expect(after(code)).toEqual([1000, 3000, 10_000, undefined])
})

test('other faults of the infrastructure are tried again once, and what would be the same is final', () => {
  expect(after('unknown_error')).toEqual([1000, undefined, undefined, undefined])
  expect(after('out_of_memory')).toEqual([1000, undefined, undefined, undefined])
  for (const code of ['git_auth_failed', 'registry_auth_failed', 'test_failed', 'image_not_found'] as const)
    expect(after(code)).toEqual([undefined, undefined, undefined, undefined])
})

test('nobody is asked before the time that they say, and nobody is waited for without end', () => {
  expect(after('registry_unavailable', 5000)).toEqual([5000, 5000, 10_000, undefined])
  expect(after('registry_unavailable', 2 * 3_600_000)[0]).toBeUndefined()
})

test('without pauses nothing is tried again', () => {
  expect(retryPauseMs(reason('unknown_error'), 0, [])).toBeUndefined()
})
