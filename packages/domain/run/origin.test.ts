import { expect, test } from 'vitest'
import type { RepositoryId, RunId, Sha } from '../ids.ts'
import { eventOf, isNewerOf, refOf } from './origin.ts'
import { newRun, type Run } from './run.ts'

const what = { repository: 'acme/shop', sha: 'a'.repeat(40) as Sha, branch: 'main', message: '', author: '' }
const ids = { id: 'run_1' as RunId, repo: 'repo_1' as RepositoryId }
const run = (sequence: number, more: Partial<Run> = {}): Run => ({
  ...newRun({ ...ids, event: 'push', ...what }, '2026-01-01T00:00:00.000Z'),
  ...{ number: sequence, sequence, version: 1 },
  ...more,
})
const plan = { images: [], tests: [], environments: [] }
const pull = (number: number) => ({ event: 'pull_request' as const, pullRequest: { number, base: 'main', fork: true } })

test('the ref that has a run’s commit', () => {
  expect(refOf(run(1))).toBe('refs/heads/main')
  expect(refOf(run(1, { branch: '', event: 'tag', tag: 'v1' }))).toBe('refs/tags/v1')
  expect(refOf(run(1, pull(7)))).toBe('refs/pull/7/head')
  expect(refOf(run(1, { branch: '', event: 'manual', defaultBranch: 'trunk' }))).toBe('refs/heads/trunk')
})

test('what runs again is to its pipeline what it was at first', () => {
  const again = (more: Partial<Run>) => eventOf(run(1, { ...more, event: 'rerun' }))
  expect([again({}), again({ tag: 'v1' }), again(pull(7)), again({ inputs: {} })]).toEqual([
    'push',
    'tag',
    'pull_request',
    'manual',
  ])
})

test('a newer run takes the place of older ones of its own branch, tag or pull request', () => {
  expect(isNewerOf(run(2), run(1))).toBe(true)
  expect(isNewerOf(run(1), run(2))).toBe(false)
  expect(isNewerOf(run(2, pull(7)), run(1, pull(7)))).toBe(true)
  for (const other of [
    run(2, { branch: 'next' }),
    run(2, { repo: 'repo_2' as RepositoryId }),
    // A fork may call its branch what it likes.
    run(2, pull(7)),
    run(2, { event: 'manual' }),
    run(2, { event: 'rerun' }),
    run(2, { state: 'cancelled' }),
    run(2, { plan: { ...plan, ignored: 'a rule' } }),
  ])
    expect(isNewerOf(other, run(1))).toBe(false)
  expect(isNewerOf(run(2, pull(8)), run(1, pull(7)))).toBe(false)
})

test('a newer push that the paths leave out takes nobody’s place, planned or not', () => {
  const older = run(1, { plan: { ...plan, startPaths: ['src/**'] } })
  expect(isNewerOf(run(2, { changed: ['docs/a.md'] }), older)).toBe(false)
  expect(isNewerOf(run(2, { changed: ['src/a.ts'] }), older)).toBe(true)
  expect(isNewerOf(run(2), older)).toBe(true)
  expect(isNewerOf(run(2, { changed: ['docs/a.md'], plan }), older)).toBe(true)
})
