import { expect, test } from 'vitest'
import type { ReleaseOrder, RenderedObject } from './release.ts'
import { checkWaves, isLast, wavesOf } from './waves.ts'

const object = (name: string, wave?: string): RenderedObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, ...(wave === undefined ? {} : { annotations: { 'taxiway.dev/wave': wave } }) },
})

test('turns are told in order, and what names none has the first', () => {
  expect(wavesOf([object('a', '10'), object('b'), object('c', '2'), object('d', '2')])).toEqual([0, 2, 10])
})

test.each(['-1', '1.5', '101', 'late', 'NaN'])('%s is no turn', (wave) => {
  expect(checkWaves([object('fine', '100'), object('x', wave)])).toMatchObject({
    ok: false,
    reason: {
      code: 'manifest_invalid',
      message: expect.stringMatching(/^ConfigMap\/x: annotation taxiway\.dev\/wave/),
    },
  })
})

test('an order is at its end at its last turn, and without turns at once', () => {
  const order = { objects: [object('a'), object('b', '3')] } as unknown as ReleaseOrder
  expect([isLast(order), isLast({ ...order, upTo: 0 }), isLast({ ...order, upTo: 3 })]).toEqual([true, false, true])
})
