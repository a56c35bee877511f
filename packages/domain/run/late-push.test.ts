import { expect, test } from 'vitest'
import type { RepositoryId, RunId, Sha } from '../ids.ts'
import { movedOnFrom, placeOf } from './late-push.ts'
import { newRun, type Run } from './run.ts'

const push = (sequence: number, before: string, sha: string, more: Partial<Run> = {}): Run => ({
  ...newRun(
    {
      id: `run_${sequence}` as RunId,
      repo: 'repo_a' as RepositoryId,
      repository: 'acme/shop',
      event: 'push',
      sha: sha as Sha,
      before: before as Sha,
      branch: 'main',
      message: '',
      author: '',
    },
    '2026-01-01T00:00:00Z',
  ),
  number: sequence,
  sequence,
  version: 1,
  ...more,
})
const places = (runs: Run[]) => runs.map((run) => placeOf(run, runs))

test('pushes that come in order have the places of their intake', () => {
  expect(places([push(1, '0', 'a'), push(2, 'a', 'b'), push(3, 'b', 'c')])).toEqual([1, 2, 3])
})

test('a push that comes in after one that builds on it has its place before that one', () => {
  const [older, newer, late] = places([push(1, '0', 'a'), push(2, 'b', 'c'), push(3, 'a', 'b')]) as [
    number,
    number,
    number,
  ]
  expect(older).toBeLessThan(late)
  expect(late).toBeLessThan(newer)
})

test('of two that are late the older commit has the smaller place, whichever came first', () => {
  for (const [b, c] of [
    [3, 4],
    [4, 3],
  ] as const) {
    const runs = [push(1, '0', 'a'), push(2, 'c', 'd'), push(b, 'a', 'b'), push(c, 'b', 'c')]
    const [first, last, early, later] = places(runs) as [number, number, number, number]
    expect([first, early, later, last].toSorted((x, y) => x - y)).toEqual([first, early, later, last])
  }
})

test('a branch that is set back to an old commit is news, and so is what is pushed upon that', () => {
  const back = push(4, 'c', 'a', { forced: true })
  const again = push(5, 'a', 'b')
  expect(places([push(1, '0', 'a'), push(2, 'a', 'b'), push(3, 'b', 'c'), back, again])).toEqual([1, 2, 3, 4, 5])
})

test('what a person asks for is never late, nor what another branch moved on from', () => {
  const runs = [push(1, 'a', 'b')]
  expect(movedOnFrom(push(2, '0', 'a', { event: 'rerun' }), runs)).toEqual([])
  expect(movedOnFrom(push(2, '0', 'a', { event: 'manual' }), runs)).toEqual([])
  expect(movedOnFrom(push(2, '0', 'a', { branch: 'release' }), runs)).toEqual([])
  expect(movedOnFrom(push(2, '0', 'a'), runs)).toHaveLength(1)
})
