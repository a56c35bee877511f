import { expect, test } from 'vitest'
import type { Digest, RepositoryId, RunId, Sha } from '../ids.ts'
import { moveRun } from './move.ts'
import { eventOf } from './origin.ts'
import { buildStages } from './parts.ts'
import { checkSource, chooseRollback, rollOutRun } from './roll-out.ts'
import { neededWork, newRun, nextDeployStage, type Run } from './run.ts'

const now = '2026-01-01T00:00:00.000Z'
const digest = `sha256:${'a'.repeat(64)}` as Digest
const environment = { name: 'production', namespace: 'shop', manifests: 'k8s', timeoutMs: 1000 }
const source = (more: Partial<Run> = {}): Run => ({
  ...newRun(
    {
      id: 'run_1' as RunId,
      repo: 'repo_1' as RepositoryId,
      repository: 'acme/shop',
      event: 'push',
      sha: 'a'.repeat(40) as Sha,
      branch: 'main',
      message: '',
      author: '',
    },
    now,
  ),
  number: 7,
  sequence: 7,
  version: 1,
  state: 'succeeded',
  plan: { images: [], tests: [], environments: [{ ...environment, name: 'staging' }, environment] },
  stages: buildStages.map((name) => ({ name, state: 'succeeded' as const })),
  images: [{ name: 'web', digest, reference: `registry/web@${digest}` }],
  ...more,
})
const code = (run: Run, name = 'production') => {
  const checked = checkSource(run, name)
  return checked.ok ? 'ok' : checked.reason.code
}

test('only what trusted code published and tested goes to an environment that its pipeline has', () => {
  expect(code(source())).toBe('ok')
  expect(code(source(), 'elsewhere')).toBe('not_allowed_for_ref')
  expect(code(source({ trusted: false }))).toBe('not_allowed_for_ref')
  expect(code(source({ pullRequest: { number: 1, base: 'main', fork: false } }))).toBe('not_allowed_for_ref')
  expect(code(source({ images: [{ name: 'web' }] }))).toBe('run_not_published')
  const failed = source().stages.map((stage) =>
    stage.name === 'test' ? { ...stage, state: 'failed' as const } : stage,
  )
  expect(code(source({ stages: failed }))).toBe('run_not_published')
})

test('a roll-out has the images of the earlier run, one environment, and needs a deployer at once', () => {
  const asked = { who: 'ann', runId: 'run_1' as RunId, number: 7 }
  const made = rollOutRun('run_2' as RunId, source(), { event: 'deploy', environment: 'production', asked }, now)
  expect(made).toMatchObject({ state: 'queued', event: 'deploy', asked, images: source().images })
  expect(neededWork(made)).toBe('deploy')
  const run = { ...made, number: 8, sequence: 8, version: 1 }
  expect(nextDeployStage(run)?.environment).toBe('production')
  expect(eventOf(run)).toBe('push')
  expect(code(run)).toBe('ok')
  const begun = moveRun(run, { type: 'attempt_started', holder: 'h', worker: 'w' }, now)
  const ended =
    begun.ok && moveRun(begun.value, { type: 'stage_finished', stage: 'deploy:production', state: 'succeeded' }, now)
  expect(ended).toMatchObject({ ok: true, value: { state: 'succeeded' } })
})

const kept = (generation: number, sha: string, state = 'live', repeats?: number) => ({
  generation,
  sha,
  state,
  ...(repeats ? { repeats } : {}),
})
const chosen = (releases: ReturnType<typeof kept>[], wanted?: number) => {
  const newest = [...releases].sort((a, b) => b.generation - a.generation)
  const live = newest.find(({ state }) => state === 'live')
  const found = chooseRollback(newest, 'production', live, wanted)
  return found.ok ? found.value.generation : found.reason.code
}

test('a rollback goes to the last healthy release of another commit', () => {
  expect(chosen([kept(1, 'a'), kept(2, 'b', 'restored'), kept(3, 'c')])).toBe(1)
  expect(chosen([kept(1, 'a'), kept(2, 'b'), kept(3, 'b')])).toBe(1)
  expect(chosen([kept(1, 'a')])).toBe('no_earlier_release')
  expect(chosen([])).toBe('no_earlier_release')
})

test('a release that was down when the next began is not gone back to, unless it is asked for', () => {
  const all = [kept(1, 'a'), { ...kept(2, 'b'), down: 'web: crash loop, exit 9' }, kept(3, 'c')]
  expect(chosen(all)).toBe(1)
  expect(chosen(all, 2)).toBe(2)
})

test('after a rollback, another goes further back, not to what was left', () => {
  const all = [kept(1, 'a'), kept(2, 'b'), kept(3, 'c'), kept(4, 'b', 'live', 2)]
  expect(chosen(all)).toBe(1)
  expect(chosen([...all, kept(5, 'd', 'restored'), kept(6, 'b', 'live', 2)])).toBe(1)
  expect(chosen([...all, kept(5, 'b', 'live', 4)])).toBe(1)
  expect(chosen([...all, kept(5, 'e')])).toBe(3)
})

test('a wanted release must be kept, and must have been healthy', () => {
  const all = [kept(1, 'a'), kept(2, 'b', 'restored'), kept(3, 'c')]
  expect([1, 2, 3, 4].map((wanted) => chosen(all, wanted))).toEqual([1, 'release_not_healthy', 3, 'release_not_found'])
})
