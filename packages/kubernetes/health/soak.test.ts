import { expect, test } from 'vitest'
import type { KubeObject, Pod } from '../object.ts'
import { wasThere } from './soak.ts'

const at = (second: number) => new Date(Date.UTC(2030, 0, 1, 0, 0, second)).toISOString()
const workload = (appliedAt: number, kind = 'Deployment'): KubeObject => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: {
    name: 'web',
    managedFields: [
      { manager: 'taxiway', operation: 'Apply', time: at(appliedAt) },
      { manager: 'kube-controller-manager', operation: 'Update', subresource: 'status', time: at(59) },
    ],
  },
})
const ready = (second: number, status = 'True'): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web-1' },
  spec: { containers: [] },
  status: { conditions: [{ type: 'Ready', status, lastTransitionTime: at(second) }] },
})

test('pods that were ready for the whole soak before the release was applied have been through it', () => {
  const after = (pods: Pod[], kind?: string) => wasThere({ workload: workload(30, kind), pods }, 10_000)
  expect(after([ready(5), ready(19)])).toBe(true)
  expect(after([ready(5), ready(21)])).toBe(false)
  expect(after([ready(31)])).toBe(false)
  expect(after([ready(5, 'False')])).toBe(false)
  expect(after([ready(31)], 'Job')).toBe(true)
  expect(after([])).toBe(true)
  const { managedFields: _, ...metadata } = workload(30).metadata
  expect(wasThere({ workload: { ...workload(30), metadata }, pods: [ready(5)] }, 10_000)).toBe(false)
})
