import { expect, test } from 'vitest'
import { makeSlots } from './slots.ts'

test('room is given out in order, back once, and to nobody who has left', async () => {
  const slots = makeSlots(3)
  const never = new AbortController().signal
  const giveBack = await slots.take(2, never)
  const got: string[] = []
  const take = (name: string, count: number, signal = never) =>
    slots.take(count, signal).then((back) => {
      got.push(name)
      return back
    })
  const leaving = new AbortController()
  const left = take('left', 9, leaving.signal)
  const small = take('small', 1)
  await Promise.resolve()
  expect(got).toEqual([])
  leaving.abort(new Error('left'))
  await expect(left).rejects.toThrow('left')
  await small
  const all = take('all', 9)
  giveBack()
  giveBack()
  await new Promise((resolve) => setTimeout(resolve))
  expect(got).toEqual(['small'])
  ;(await small)()
  await all
})
