import { expect, test } from 'vitest'
import { patientStore } from './patient.ts'
import type { Store } from './store.ts'

/** A store whose Redis is away for the first calls. */
function awayFor(calls: number) {
  let made = 0
  const read = async (id: string) => {
    made += 1
    if (made <= calls) throw new Error('Connection is closed.')
    if (id === 'broken') throw new Error('no such thing')
    return `${id} after ${made}`
  }
  const runs = {
    read,
    name: () => 'runs',
    async *all() {
      yield 1
    },
  }
  return {
    store: patientStore({ runs, now: () => 7 } as unknown as Store) as unknown as { runs: typeof runs },
    made: () => made,
  }
}

test('a call is made again until Redis takes it, and once if it does', async () => {
  const { store, made } = awayFor(2)
  expect(await store.runs.read('a')).toBe('a after 3')
  expect(await store.runs.read('b')).toBe('b after 4')
  expect(made()).toBe(4)
})

test('what is no fault of Redis is thrown at once, and what is no promise stays as it is', async () => {
  const { store, made } = awayFor(0)
  await expect(store.runs.read('broken')).rejects.toThrow('no such thing')
  expect(made()).toBe(1)
  expect(store.runs.name()).toBe('runs')
  for await (const one of store.runs.all()) expect(one).toBe(1)
})
