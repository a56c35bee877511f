import { expect, test } from 'vitest'
import { mayGetRoom } from './creation.ts'
import type { Seen } from './finding.ts'

const seen = (spec: object, more: Partial<Seen> = {}, kind = 'Deployment'): Seen => ({
  workload: { apiVersion: 'apps/v1', kind, metadata: { name: 'web' }, spec },
  health: { state: 'progressing', detail: '' },
  pods: [],
  isMakingRoom: false,
  isReplacing: true,
  ...more,
})
const rolling = (maxUnavailable: number | string, replicas = 2) => ({
  replicas,
  strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable } },
})

test('a quota may get room while earlier pods are taken away before new ones come', () => {
  expect(mayGetRoom(seen(rolling(1)))).toBe(true)
  expect(mayGetRoom(seen(rolling('50%')))).toBe(true)
  expect(mayGetRoom(seen({ strategy: { type: 'Recreate' } }))).toBe(true)
  expect(mayGetRoom(seen({}, {}, 'StatefulSet'))).toBe(true)
})

test('it gets none when each earlier pod waits for a new one, or there is none that goes', () => {
  expect(mayGetRoom(seen(rolling(0)))).toBe(false)
  expect(mayGetRoom(seen(rolling('25%', 3)))).toBe(false)
  expect(mayGetRoom(seen(rolling(1), { isReplacing: false }))).toBe(false)
  expect(mayGetRoom(seen(rolling(0), { isMakingRoom: true }))).toBe(true)
})
