import { setImmediate as later } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { makeTurns } from './pace.ts'

test('so many have their turn at a time, in order, also when some fail', async () => {
  const turns = makeTurns(3)
  const thing = {}
  let busy = 0
  let most = 0
  const order: number[] = []
  const work = async (number: number) => {
    order.push(number)
    most = Math.max(most, ++busy)
    await later()
    busy--
    if (number % 2 === 1) throw new Error('odd')
    return number
  }
  const ended = await Promise.allSettled(Array.from({ length: 20 }, (_, number) => turns(thing, () => work(number))))
  expect(ended.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
  expect(most).toBe(3)
  expect(order).toEqual(Array.from({ length: 20 }, (_, number) => number))
  expect(await turns({}, () => work(2))).toBe(2)
})
