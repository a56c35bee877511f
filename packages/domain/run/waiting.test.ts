import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RepositoryId, RunId } from '../ids.ts'
import { type InLine, type Line, median, turnOrder, waitingOf } from './waiting.ts'

const repo = (name: string) => name as RepositoryId
let sequence = 0
const run = (of: string, isHeld = false): InLine => ({
  id: `run_${++sequence}` as RunId,
  repo: repo(of),
  sequence,
  isHeld,
})
const many = (count: number, of: string) => Array.from({ length: count }, () => run(of))
const line = (runs: InLine[], more: Partial<Line> = {}): Line => ({
  runs,
  turns: new Map(),
  limits: new Map(),
  slots: 2,
  ...more,
})

test('repositories take turns, however many runs one of them has', () => {
  const noisy = many(1000, 'noisy')
  const quiet = many(2, 'quiet')
  const order = turnOrder(line([...noisy, ...quiet])).slice(0, 5)
  expect(order.map((one) => one.repo)).toEqual(['noisy', 'quiet', 'noisy', 'quiet', 'noisy'])
  expect(order.filter((one) => one.repo === 'quiet')).toEqual(quiet)
})

test('who has fewer runs in hand comes first, then whose turn is longest ago', () => {
  const waiting = [run('a'), run('b')]
  expect(turnOrder(line([run('a', true), ...waiting])).map((one) => one.repo)).toEqual(['b', 'a'])
  const turns = new Map([
    [repo('a'), 7],
    [repo('b'), 3],
  ] as const)
  expect(turnOrder(line(waiting, { turns })).map((one) => one.repo)).toEqual(['b', 'a'])
})

test('whatever waits, each repository keeps its own order, and the next is of one with the fewest in hand', () => {
  const some = fc.array(fc.record({ of: fc.constantFrom('a', 'b', 'c'), isHeld: fc.boolean() }), { maxLength: 40 })
  fc.assert(
    fc.property(some, (made) => {
      const runs = made.map(({ of, isHeld }) => run(of, isHeld))
      const order = turnOrder(line(runs))
      const waiting = runs.filter(({ isHeld }) => !isHeld)
      expect(order).toHaveLength(waiting.length)
      const held = (of: RepositoryId) => runs.filter((one) => one.repo === of && one.isHeld).length
      for (const of of ['a', 'b', 'c'].map(repo))
        expect(order.filter((one) => one.repo === of)).toEqual(waiting.filter((one) => one.repo === of))
      const fewest = Math.min(...waiting.map((one) => held(one.repo)))
      if (order[0]) expect(held(order[0].repo)).toBe(fewest)
    }),
  )
})

test('a run is told its place and time, or nothing when its turn is now', () => {
  const [first, second, third] = many(3, 'shop') as [InLine, InLine, InLine]
  const free = line([first, second, third])
  expect(waitingOf(second, free)).toBeUndefined()
  expect(waitingOf(third, free, 60)).toMatchObject({ for: 'slot', place: 3 })
  const busy = line([run('shop', true), run('web', true), first, second, third])
  expect(waitingOf(third, busy, 80)).toEqual({
    for: 'slot',
    place: 3,
    estimateSeconds: 100,
    message: 'Waiting: 3rd in line, about 2 min.',
  })
  expect(waitingOf(third, busy)).not.toHaveProperty('estimateSeconds')
  expect(waitingOf({ ...third, id: 'run_gone' as RunId }, busy)).toBeUndefined()
})

test('a run waits for its repository’s own limit, or for a builder at all', () => {
  const waiting = run('shop')
  const runs = [run('shop', true), waiting]
  expect(waitingOf(waiting, line(runs, { slots: 9, limits: new Map([[repo('shop'), 1]]) }), 10)).toEqual({
    for: 'concurrency',
    place: 1,
    estimateSeconds: 5,
    message: 'Waiting: 1st in line of this repository, which may have 1 at a time, about 5 s.',
  })
  expect(waitingOf(waiting, line(runs, { slots: 0 }))).toMatchObject({ for: 'worker', place: 1 })
})

test('the median of nothing is nothing', () => {
  expect([median([]), median([5]), median([9, 1, 4]), median([1, 2, 3, 100])]).toEqual([undefined, 5, 4, 2])
})
