import { expect, test } from 'vitest'
import type { KubeObject, Pod } from '../object.ts'
import { isStuck } from './unstick.ts'

const pod = (ordinal: number, ready: boolean, more: object = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: `db-${ordinal}`, ...more },
  spec: { containers: [] },
  status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
})
const set = (updateStrategy?: object): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  metadata: { name: 'db' },
  spec: updateStrategy ? { updateStrategy } : {},
})

test('a pod of an older template is in the way when it is not ready, and the set would replace it itself', () => {
  expect(isStuck(pod(1, false), set())).toBe(true)
  expect(isStuck(pod(1, true), set())).toBe(false)
  expect(isStuck(pod(1, false, { deletionTimestamp: 'now' }), set())).toBe(false)
  expect(isStuck(pod(1, false), set({ type: 'OnDelete' }))).toBe(false)
  const partition = set({ type: 'RollingUpdate', rollingUpdate: { partition: 2 } })
  expect([1, 2].map((ordinal) => isStuck(pod(ordinal, false), partition))).toEqual([false, true])
})
