import { expect, test } from 'vitest'
import { hideInEvent } from './hide-event.ts'

const secrets = ['hunter2-hunter2', 'production']
const message = 'refused hunter2-hunter2.'

test('what an event quotes is hidden, names stay', () => {
  const reason = { code: 'test_failed' as const, message }
  const hidden = { code: 'test_failed', message: 'refused ***.' }
  expect(hideInEvent(secrets, { type: 'noted', reason })).toEqual({ type: 'noted', reason: hidden })
  const release = {
    type: 'release_changed',
    environment: 'production',
    generation: 1,
    state: 'failed',
    reason,
  } as const
  expect(hideInEvent(secrets, release)).toEqual({ ...release, reason: hidden })
  const restoring = { ...release, state: 'restoring', failure: 'web: hunter2-hunter2 refused' } as const
  expect(hideInEvent(secrets, restoring)).toEqual({ ...restoring, reason: hidden, failure: 'web: *** refused' })
  const failures = [{ name: 'logs in with hunter2-hunter2', message: `${message}\nProduction` }]
  const failed = { name: 'production', state: 'failed', tries: 1, reason, failures } as const
  expect(hideInEvent(secrets, { type: 'test_changed', test: { ...failed, failures } })).toEqual({
    type: 'test_changed',
    test: {
      ...failed,
      reason: hidden,
      failures: [{ name: 'logs in with ***', message: 'refused ***.\nProduction' }],
    },
  })
  const plain = { type: 'stage_started', stage: 'deploy:production' } as const
  expect(hideInEvent(secrets, plain)).toBe(plain)
})
