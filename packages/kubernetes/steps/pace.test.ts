import fc from 'fast-check'
import { expect, test } from 'vitest'
import { paceAt } from './pace.ts'

const weights = fc.integer({ min: 1, max: 99 })
const before = fc.integer({ min: 1, max: 1000 })

test('the new pods are at least the weight, and both together never fewer than before', () => {
  fc.assert(
    fc.property(weights, before, fc.boolean(), (weight, count, isScaled) => {
      const { fresh, old } = paceAt(weight, count, { isScaled })
      expect(100 * fresh).toBeGreaterThanOrEqual(weight * (fresh + old))
      expect(fresh + old).toBeGreaterThanOrEqual(count)
      expect(Math.min(fresh - 1, old)).toBeGreaterThanOrEqual(0)
      if (isScaled) expect(old).toBe(count)
      else expect(fresh + old).toBeLessThanOrEqual(count + 1)
    }),
  )
})

test('a larger weight never takes a new pod away or brings an old one back', () => {
  fc.assert(
    fc.property(weights, weights, before, fc.boolean(), (one, other, count, isScaled) => {
      const [small, large] = [Math.min(one, other), Math.max(one, other)]
      const [first, next] = [paceAt(small, count, { isScaled }), paceAt(large, count, { isScaled })]
      expect(next.fresh).toBeGreaterThanOrEqual(first.fresh)
      expect(next.old).toBeLessThanOrEqual(first.old)
    }),
  )
})

test('while the new pods come, before the old ones go, there are as many as before at every moment', () => {
  fc.assert(
    fc.property(fc.array(weights, { minLength: 1, maxLength: 8 }), before, (some, count) => {
      let [fresh, old] = [0, count]
      for (const weight of some.toSorted((a, b) => a - b)) {
        const next = paceAt(weight, count)
        // New ones first, and only when they are ready the old ones fewer.
        fresh = next.fresh
        expect(fresh + old).toBeGreaterThanOrEqual(count)
        old = next.old
        expect(fresh + old).toBeGreaterThanOrEqual(count)
      }
    }),
  )
})

test.each([
  [25, 4, { fresh: 1, old: 3 }],
  [50, 4, { fresh: 2, old: 2 }],
  [30, 10, { fresh: 3, old: 7 }],
  [10, 1, { fresh: 1, old: 1 }],
  [60, 1, { fresh: 1, old: 0 }],
  [29, 100, { fresh: 29, old: 71 }],
  [75, 3, { fresh: 3, old: 1 }],
  [99, 3, { fresh: 3, old: 0 }],
])('at %i percent of %i', (weight, count, wanted) => {
  expect(paceAt(weight, count)).toEqual(wanted)
})
