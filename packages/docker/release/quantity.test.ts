import { expect, test } from 'vitest'
import { megabytes, processors } from './quantity.ts'

test.each([
  ['128Mi', 128],
  ['1Gi', 1024],
  [134217728, 128],
  ['128e6', 123],
  ['1M', 6],
  ['1.5Gi', 1536],
  ['much', undefined],
  ['10Xi', undefined],
  ['10toString', undefined],
])('memory of %s is %s MB', (quantity, expected) => {
  expect(megabytes(quantity)).toBe(expected)
})

test.each([
  ['500m', 0.5],
  [2, 2],
  ['16', 4],
  ['1m', 0.01],
  ['all', undefined],
])('cpu of %s is %s processors on a machine of four', (quantity, expected) => {
  expect(processors(quantity, 4)).toBe(expected)
})
