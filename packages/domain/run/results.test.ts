import { expect, test } from 'vitest'
import type { RunEvent } from './event.ts'
import { moveRun } from './move.ts'
import type { ReleaseState } from './parts.ts'
import { newRun, type Run } from './run.ts'

const now = '2026-01-01T00:00:00.000Z'
const what = { branch: 'main', message: '', author: '', repository: 'acme/shop', event: 'push' as const }
const fresh = (): Run => ({
  ...newRun(
    { id: 'run_1' as Run['id'], repo: 'repo_1' as Run['repo'], sha: 'a'.repeat(40) as Run['sha'], ...what },
    now,
  ),
  number: 1,
  sequence: 1,
  version: 1,
})
const play = (events: RunEvent[], run = fresh()): Run =>
  events.reduce((at, event) => {
    const moved = moveRun(at, event, now)
    if (!moved.ok) throw new Error(moved.reason.message)
    return moved.value
  }, run)
const started: RunEvent = { type: 'attempt_started', holder: 'h', worker: 'w' }
const lost: RunEvent = { type: 'worker_lost', worker: 'w', since: now }
const released = (generation: number, state: ReleaseState, environment = 'production'): RunEvent => ({
  type: 'release_changed',
  environment,
  generation,
  state,
  ...(state === 'applying' ? { progress: 'canary 50 %' } : {}),
})
const releasesOf = ({ releases }: Run) =>
  releases.map(({ environment, generation, state, progress }) =>
    [environment, generation, state, progress].join(' ').trim(),
  )

test('a release that a lost attempt left in the middle is over when the next one begins', () => {
  const left = [started, released(1, 'applying', 'staging'), released(1, 'live', 'staging'), released(1, 'applying')]
  const anew = play([...left, lost, started, released(2, 'applying')])
  expect(releasesOf(anew)).toEqual(['staging 1 live', 'production 1 superseded', 'production 2 applying canary 50 %'])
  expect(releasesOf(play([released(2, 'live')], anew)).at(-1)).toBe('production 2 live')
})

test('with the run, every release that was on its way is over', () => {
  const applying = play([started, released(1, 'live'), released(2, 'applying')])
  const restoring = play([released(2, 'restoring')], applying)
  expect(releasesOf(play([{ type: 'superseded', by: 'run #2' }], applying))).toEqual([
    'production 1 live',
    'production 2 superseded',
  ])
  for (const run of [applying, restoring])
    expect(releasesOf(play([{ type: 'cancelled', who: 'me' }], run))).toEqual([
      'production 1 live',
      'production 2 failed',
    ])
})
