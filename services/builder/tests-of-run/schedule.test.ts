import type { PlannedTest } from '@taxiway/domain/plan/tests.ts'
import { expect, test } from 'vitest'
import { inOrder } from './schedule.ts'
import { makeSlots } from './slots.ts'

const planned = (name: string, needs?: string[], key = name): PlannedTest => ({
  name,
  key,
  image: 'web',
  run: ['true'],
  env: {},
  timeoutMs: 1000,
  ...(needs ? { needs } : {}),
})
/** Tests that end when they are told to. */
function stage(tests: PlannedTest[], atOnce = 9) {
  const open = new Map<string, (passed: boolean | Error) => void>()
  const skipped: string[] = []
  const all = inOrder(tests, atOnce, {
    run: ({ name }) =>
      new Promise((resolve, reject) => {
        open.set(name, (passed) => {
          open.delete(name)
          if (passed instanceof Error) reject(passed)
          else resolve(passed)
        })
      }),
    skip: async ({ name }, need) => void skipped.push(`${name} needs ${need}`),
  })
  const end = async (name: string, passed: boolean | Error = true) => {
    open.get(name)?.(passed)
    await new Promise((resolve) => setTimeout(resolve))
  }
  return { all, end, skipped, running: () => [...open.keys()] }
}

test('tests run side by side, each after what it needs, in all its cases', async () => {
  const tests = [
    planned('unit a', [], 'unit'),
    planned('unit b', [], 'unit'),
    planned('lint'),
    planned('end', ['unit']),
  ]
  const { all, end, running } = stage(tests)
  expect(running()).toEqual(['unit a', 'unit b', 'lint'])
  await end('unit a')
  expect(running()).toEqual(['unit b', 'lint'])
  await end('unit b')
  expect(running()).toEqual(['lint', 'end'])
  await end('end')
  await end('lint')
  await all
})

test('no more than so many at a time, in their order', async () => {
  const { all, end, running } = stage(
    ['a', 'b', 'c'].map((name) => planned(name)),
    2,
  )
  expect(running()).toEqual(['a', 'b'])
  await end('b')
  expect(running()).toEqual(['a', 'c'])
  await end('a')
  await end('c')
  await all
})

test('what needs a failed test is left out, and what needs that, and all others run to their end', async () => {
  const tests = [planned('a'), planned('b', ['a']), planned('c', ['b', 'none']), planned('d', ['none']), planned('e')]
  const { all, end, running, skipped } = stage(tests)
  expect(running()).toEqual(['a', 'd', 'e'])
  await end('a', false)
  expect(skipped).toEqual(['b needs a', 'c needs b'])
  await end('d')
  await end('e')
  await all
})

test('a fault lets nothing more begin, and is thrown when all others have ended', async () => {
  const { all, end, running } = stage([planned('a'), planned('b'), planned('c', ['a'])])
  const thrown = expect(all).rejects.toThrow('gone')
  await end('a', new Error('gone'))
  expect(running()).toEqual(['b'])
  await end('b')
  await thrown
})

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
