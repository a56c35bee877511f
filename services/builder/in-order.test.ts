import { setTimeout as sleep } from 'node:timers/promises'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import { inOrder, type Job, type Work } from './in-order.ts'

const { signal } = new AbortController()

const planned = (name: string, needs: string[] = [], key = name): Job => ({ name, key, needs })
/** Jobs that end when they are told to. */
function stage(jobs: Job[], atOnce = 9) {
  const open = new Map<string, (passed: boolean | Error) => void>()
  const skipped: string[] = []
  const all = inOrder(jobs, {
    atOnce,
    signal,
    run: ({ name }) =>
      new Promise((resolve, reject) => {
        open.set(name, (passed) => {
          open.delete(name)
          if (passed instanceof Error) reject(passed)
          else resolve(done(passed))
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

const job = (name: string, ...needs: string[]): Job => ({ name, needs })
/** Jobs that must all pass. */
const allOf = (jobs: Job[], atOnce: number, run: Work<Job>['run'], outside = signal): Promise<Outcome<void>> =>
  inOrder(jobs, { atOnce, signal: outside, run, skip: async () => {} })

test('jobs run side by side within the limit, and never before what they need', async () => {
  const began: string[] = []
  const ended: string[] = []
  let most = 0
  const jobs = [job('a'), job('b'), job('c', 'a'), job('d'), job('e', 'c', 'd')]
  const outcome = await allOf(jobs, 2, async ({ name, needs }) => {
    expect(needs?.every((one) => ended.includes(one))).toBe(true)
    began.push(name)
    most = Math.max(most, began.length - ended.length)
    await sleep(name === 'b' ? 30 : 5)
    ended.push(name)
    return done(true)
  })
  expect(outcome.ok).toBe(true)
  expect(ended.sort()).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(most).toBe(2)
})

test('the first refusal ends the others and is what is told; nothing more begins', async () => {
  const told: string[] = []
  const outcome = await allOf([job('a'), job('b'), job('c', 'b')], 3, async ({ name }, stop) => {
    told.push(name)
    if (name === 'b') return refuse('timeout', { step: 'b', seconds: 1 })
    await sleep(10_000, undefined, { signal: stop }).catch(() => told.push(`${name} ended`))
    stop.throwIfAborted()
    return done(true)
  })
  expect(outcome).toMatchObject({ ok: false, reason: { code: 'timeout' } })
  expect(told).toEqual(['a', 'b', 'a ended'])
})

test('a fault is thrown, and so is the reason of a signal from outside', async () => {
  const fault = allOf([job('a')], 1, () => Promise.reject(new Error('broken')))
  await expect(fault).rejects.toThrow('broken')
  const outside = new AbortController()
  const work = allOf(
    [job('a'), job('b')],
    1,
    async (_job, stop) => {
      outside.abort(new Error('cancelled'))
      stop.throwIfAborted()
      return done(true)
    },
    outside.signal,
  )
  await expect(work).rejects.toThrow('cancelled')
})
