import { expect, test } from 'vitest'
import { planCheckout } from './checkout.ts'

test('tags alone bring the whole history, and nothing is brought that is not asked for', () => {
  const plan = (checkout?: object) => planCheckout({ version: 1, ...(checkout ? { checkout } : {}) })
  expect(plan({ tags: true })).toEqual({ checkout: { history: { tags: true } } })
  expect(plan({ history: 'full' })).toEqual({ checkout: { history: { tags: false } } })
  expect(plan({ history: 50, tags: true })).toEqual({ checkout: { history: { depth: 50, tags: true } } })
  expect(plan({ lfs: true })).toEqual({ checkout: { lfs: true } })
  expect([plan(), plan({ tags: false })]).toEqual([{}, {}])
})
