import { expect, test } from 'vitest'
import { healthOf } from './health.ts'

const certificate = (status?: unknown, metadata: object = {}) =>
  healthOf({
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: { name: 'web', generation: 2, ...metadata },
    status,
  })
const condition = (type: string, status: string, message?: string) => ({ conditions: [{ type, status, message }] })

test.each([
  ['says nothing', undefined, 'healthy', 'in place'],
  ['is ready', condition('Ready', 'True'), 'healthy', 'ready'],
  ['is not ready', condition('Ready', 'False', 'Issuer not found.'), 'progressing', 'Issuer not found'],
  ['does not know whether it is ready', condition('Ready', 'Unknown'), 'progressing', 'not ready'],
  ['is being reconciled', condition('Reconciling', 'True', 'creating'), 'progressing', 'creating'],
  ['is stalled', condition('Stalled', 'True', 'no such issuer'), 'failed', 'no such issuer'],
  ['is not stalled', condition('Stalled', 'False'), 'healthy', 'in place'],
  [
    'was ready before its controller saw the change',
    { observedGeneration: 1, ...condition('Ready', 'True') },
    'progressing',
    'not seen by its controller yet',
  ],
  ['has a status of another form', { conditions: 'none', observedGeneration: '1' }, 'healthy', 'in place'],
])('a kind that is not ours and %s', (_, status, state, detail) => {
  expect(certificate(status)).toEqual({ state, detail })
})

test('what is on its way out is not in place', () => {
  expect(certificate(condition('Ready', 'True'), { deletionTimestamp: 'now' })).toMatchObject({ state: 'progressing' })
})
