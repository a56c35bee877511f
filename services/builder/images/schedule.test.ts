import { setTimeout as sleep } from 'node:timers/promises'
import { done, refuse } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'
import { doInOrder } from './schedule.ts'

const job = (name: string, ...after: string[]) => ({ name, after })
const { signal } = new AbortController()

test('jobs run side by side within the limit, and never before what they need', async () => {
  const began: string[] = []
  const ended: string[] = []
  let most = 0
  const jobs = [job('a'), job('b'), job('c', 'a'), job('d'), job('e', 'c', 'd')]
  const outcome = await doInOrder(jobs, { atOnce: 2, signal }, async ({ name, after }) => {
    expect(after.every((one) => ended.includes(one))).toBe(true)
    began.push(name)
    most = Math.max(most, began.length - ended.length)
    await sleep(name === 'b' ? 30 : 5)
    ended.push(name)
    return done(name.toUpperCase())
  })
  expect(outcome.ok && Object.fromEntries(outcome.value)).toEqual({ a: 'A', b: 'B', c: 'C', d: 'D', e: 'E' })
  expect(most).toBe(2)
})

test('the first refusal ends the others and is what is told; nothing more begins', async () => {
  const told: string[] = []
  const outcome = await doInOrder(
    [job('a'), job('b'), job('c', 'b')],
    { atOnce: 3, signal },
    async ({ name }, stop) => {
      told.push(name)
      if (name === 'b') return refuse('timeout', { step: 'b', seconds: 1 })
      await sleep(10_000, undefined, { signal: stop }).catch(() => told.push(`${name} ended`))
      stop.throwIfAborted()
      return done(name)
    },
  )
  expect(outcome).toMatchObject({ ok: false, reason: { code: 'timeout' } })
  expect(told).toEqual(['a', 'b', 'a ended'])
})

test('a fault is thrown, and so is the reason of a signal from outside', async () => {
  const fault = doInOrder([job('a')], { atOnce: 1, signal }, () => Promise.reject(new Error('broken')))
  await expect(fault).rejects.toThrow('broken')
  const outside = new AbortController()
  const work = doInOrder([job('a'), job('b')], { atOnce: 1, signal: outside.signal }, async (_job, stop) => {
    outside.abort(new Error('cancelled'))
    stop.throwIfAborted()
    return done(1)
  })
  await expect(work).rejects.toThrow('cancelled')
})
