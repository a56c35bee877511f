import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Digest, RepositoryId, RunId, Sha } from '../ids.ts'
import { reason } from '../reason.ts'
import type { RunEvent } from './event.ts'
import { crashLimit, moveRun } from './move.ts'
import { isTerminal, moves, neededWork, newRun, overdueSeconds, type Run, runStates } from './run.ts'

const now = '2026-01-01T00:00:00.000Z'
const fresh = (): Run => ({
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
  number: 1,
  sequence: 1,
  version: 1,
})
const plan = {
  images: [],
  tests: [],
  environments: [
    {
      name: 'production',
      namespace: 'shop',
      manifests: 'k8s',
      timeoutMs: 1000,
      soakMs: 0,
      rollback: true,
      prune: 'careful' as const,
    },
  ],
}
const play = (events: RunEvent[], run = fresh()): Run =>
  events.reduce((at, event) => {
    const moved = moveRun(at, event, now)
    return moved.ok ? moved.value : at
  }, run)
const finished = (stage: string): RunEvent => ({ type: 'stage_finished', stage, state: 'succeeded' })
const started: RunEvent = { type: 'attempt_started', holder: 'h', worker: 'w' }

const gate = {
  environment: 'production',
  kind: 'approval' as const,
  message: 'Waiting',
  since: now,
  until: '2026-01-02T00:00:00.000Z',
}

const stage = fc.constantFrom('checkout', 'build', 'test', 'publish')
const event: fc.Arbitrary<RunEvent> = fc.oneof(
  fc.constant<RunEvent>(started),
  fc.constant<RunEvent>({ type: 'attempt_drained', worker: 'w' }),
  fc.constant<RunEvent>({ type: 'handed_over' }),
  fc.constant<RunEvent>({ type: 'supersede_requested', by: 'run #2' }),
  fc.constant<RunEvent>({ type: 'timed_out', seconds: 60 }),
  fc.constant<RunEvent>({ type: 'worker_lost', worker: 'w', since: now }),
  stage.map((name): RunEvent => ({ type: 'stage_started', stage: name })),
  fc
    .record({
      stage,
      bad: fc.constantFrom<'test_failed' | 'disk_full' | undefined>('test_failed', 'disk_full', undefined),
    })
    .map(
      ({ stage: name, bad }): RunEvent =>
        bad === undefined
          ? finished(name)
          : bad === 'disk_full'
            ? { type: 'stage_finished', stage: name, state: 'errored', reason: reason('disk_full', { where: 'x' }) }
            : {
                type: 'stage_finished',
                stage: name,
                state: 'failed',
                reason: reason('test_failed', { test: 't', exit: 1, detail: '' }),
              },
    ),
  fc.constant<RunEvent>({ type: 'gate_closed', gate }),
  fc.constant<RunEvent>({ type: 'gate_opened', environment: 'production' }),
  fc.constant<RunEvent>({ type: 'approved', environment: 'production', who: 'me' }),
  fc.constant<RunEvent>({ type: 'rejected', environment: 'production', who: 'me' }),
  fc.constant<RunEvent>({ type: 'approval_expired', environment: 'production' }),
  fc.constant<RunEvent>({ type: 'cancelled', who: 'me' }),
  fc.constant<RunEvent>({ type: 'superseded', by: 'run #2' }),
)

test('whatever happens, a run only moves as the table of states allows, its attempt only rises, and an end is final', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      let run = fresh()
      for (const one of events) {
        const moved = moveRun(run, one, now)
        if (isTerminal(run.state)) expect(moved.ok).toBe(false)
        if (!moved.ok) continue
        const next = moved.value
        if (next.state !== run.state) expect(moves[run.state] as readonly string[]).toContain(next.state)
        expect(next.attempt).toBeGreaterThanOrEqual(run.attempt)
        if (next.gate) expect(next.holder).toBeUndefined()
        if (isTerminal(next.state)) {
          expect(next.gate).toBeUndefined()
          expect(next.holder).toBeUndefined()
          expect(next.stages.filter(({ state }) => state === 'running' || state === 'pending')).toEqual([])
          if (next.state !== 'succeeded') expect(next.reason?.code).toBeTruthy()
        }
        run = next
      }
    }),
  )
})

test('every state is in the table, and the final ones lead nowhere', () => {
  expect(runStates.filter(isTerminal)).toEqual(['succeeded', 'failed', 'errored', 'cancelled', 'superseded'])
})

test('a run without environments succeeds with its last stage, one with them goes to the deployer', () => {
  const built = ['checkout', 'build', 'test', 'publish'].map(finished)
  expect(play([started, ...built]).state).toBe('succeeded')
  const run = play([started, { type: 'planned', plan }, ...built, { type: 'handed_over' }])
  expect([run.state, neededWork(run), run.attempt]).toEqual(['running', 'deploy', 1])
  expect(play([started, finished('deploy:production')], run).state).toBe('succeeded')
})

test('a fault ends the run at once, unless it is to be tried again: then nobody takes it before its time', () => {
  const red: RunEvent = {
    type: 'stage_finished',
    stage: 'test',
    state: 'failed',
    reason: reason('test_failed', { test: 'unit', exit: 1, detail: '' }),
  }
  expect(play([started, red])).toMatchObject({ state: 'failed', attempt: 1, reason: { code: 'test_failed' } })
  const full: RunEvent = {
    type: 'stage_finished',
    stage: 'build',
    state: 'errored',
    reason: reason('disk_full', { where: 'builder' }),
  }
  const again = play([started, finished('checkout'), { ...full, retryAt: now }])
  expect(again).toMatchObject({ state: 'queued', attempt: 2, retries: 1, retryAt: now })
  expect(again.stages[0]?.state).toBe('succeeded')
  expect(again.stages[1]).toMatchObject({ state: 'pending', retries: 1, reason: { code: 'disk_full' } })
  const early = moveRun({ ...again, retryAt: '2999-01-01T00:00:00.000Z' }, started, now)
  expect(early).toMatchObject({ ok: false, reason: { code: 'fenced' } })
  expect(play([started], again).retryAt).toBeUndefined()
  expect(play([started, full], again)).toMatchObject({ state: 'errored', attempt: 2, reason: { code: 'disk_full' } })
})

test('a run that crashes its workers is poisoned after the limit', () => {
  const crash: RunEvent[] = [started, { type: 'worker_lost', worker: 'w', since: now }]
  const run = play(Array.from({ length: crashLimit }, () => crash).flat())
  expect(run).toMatchObject({
    state: 'errored',
    reason: { code: 'poisoned', message: expect.stringContaining('3 workers') },
  })
})

test('a run that is to give way stops where it is, and is not handed to a deployer any more', () => {
  const asked: RunEvent = { type: 'supersede_requested', by: 'run #2' }
  const built = ['checkout', 'build', 'test', 'publish'].map(finished)
  const planned: RunEvent = { type: 'planned', plan }
  expect(play([started, asked]).state).toBe('running')
  expect(play([started, planned, asked, ...built, { type: 'handed_over' }])).toMatchObject({
    state: 'superseded',
    reason: { message: 'A newer push took its place: run #2.' },
  })
  const lost: RunEvent = { type: 'worker_lost', worker: 'w', since: now }
  expect(play([started, asked, lost]).state).toBe('superseded')
  // What is on its way to an environment is ordered there.
  expect(moveRun(play([started, planned, ...built]), asked, now).ok).toBe(false)
})

test('a stage that another attempt got behind it is not begun again', () => {
  const before = play([started, finished('checkout')])
  const run = play([{ type: 'stage_started', stage: 'checkout' }], before)
  expect(run.stages).toEqual(before.stages)
})

test('a run that took too long fails with what it was at', () => {
  const run = play([started, { type: 'stage_started', stage: 'checkout' }, { type: 'timed_out', seconds: 60 }])
  expect(run).toMatchObject({ state: 'failed', reason: { code: 'timeout' } })
  expect(run.stages.map(({ state }) => state)).toEqual(['failed', 'skipped', 'skipped', 'skipped'])
})

test('the time of a run counts from its first attempt', () => {
  const limited = { ...plan, timeoutMs: 60_000 }
  const run = play([started, { type: 'planned', plan: limited }, { type: 'attempt_drained', worker: 'w' }, started])
  expect(overdueSeconds(run, Date.parse(now) + 60_000)).toBeUndefined()
  expect(overdueSeconds(run, Date.parse(now) + 60_001)).toBe(60)
  expect(overdueSeconds(play([started]), Date.parse(now) + 1e12)).toBeUndefined()
})

test('an image that is another one than before has not been published yet', () => {
  const digest = `sha256:${'1'.repeat(64)}` as Digest
  const events: RunEvent[] = [
    { type: 'attempt_started', holder: 'h', worker: 'w' },
    { type: 'image_built', image: 'web', imageId: 'one', reusedFrom: digest, reusedRun: 4 },
    { type: 'image_published', image: 'web', digest, reference: `r@${digest}`, provenance: digest },
    { type: 'image_built', image: 'web', imageId: 'one' },
  ]
  const same = events.reduce((run, event) => {
    const moved = moveRun(run, event, now)
    return moved.ok ? moved.value : run
  }, fresh())
  expect(same.images).toMatchObject([{ name: 'web', imageId: 'one', digest, provenance: digest, reusedRun: 4 }])
  const bases = [{ name: 'docker.io/library/busybox:stable', digest }]
  const built = moveRun(same, { type: 'image_built', image: 'web', imageId: 'two', bases }, now)
  expect(built.ok && built.value.images).toEqual([{ name: 'web', imageId: 'two', bases }])
})

test('images stand in the order of the plan, whichever is built first', () => {
  const planned = (name: string) => ({ name, context: '.', dockerfile: 'Dockerfile', args: {} })
  const events: RunEvent[] = [
    { type: 'attempt_started', holder: 'h', worker: 'w' },
    { type: 'planned', plan: { ...plan, images: ['tools', 'server', 'docs'].map(planned) } },
    ...['docs', 'server', 'tools'].map((image) => ({ type: 'image_built' as const, image, imageId: image })),
  ]
  const built = events.reduce<Run>((run, event) => {
    const moved = moveRun(run, event, now)
    if (!moved.ok) throw new Error(moved.reason.message)
    return moved.value
  }, fresh())
  expect(built.images.map(({ name }) => name)).toEqual(['tools', 'server', 'docs'])
})

const atGate = () =>
  play([
    started,
    { type: 'planned', plan },
    ...['checkout', 'build', 'test', 'publish'].map(finished),
    { type: 'gate_closed', gate },
  ])

test('a run at a gate is held by nobody, needs no worker, and is taken by none', () => {
  const run = atGate()
  expect(run).toMatchObject({ state: 'running', gate })
  expect(run.holder).toBeUndefined()
  expect(neededWork(run)).toBeUndefined()
  expect(moveRun(run, started, now)).toMatchObject({ ok: false, reason: { code: 'fenced' } })
  const opened = play([{ type: 'gate_opened', environment: 'production' }], run)
  expect(opened).toMatchObject({ gatesPassed: 1, gatedMs: 0 })
  expect(neededWork(opened)).toBe('deploy')
  expect(play([started], opened).holder).toBe('h')
})

test('only what waits for this approval is approved, rejected or expires', () => {
  const run = atGate()
  const approved = moveRun(run, { type: 'approved', environment: 'production', who: 'ann' }, now)
  expect(approved).toMatchObject({
    ok: true,
    value: { approvals: [{ environment: 'production', who: 'ann', at: now }] },
  })
  for (const type of ['approved', 'rejected'] as const) {
    expect(moveRun(run, { type, environment: 'staging', who: 'ann' }, now).ok).toBe(false)
    if (approved.ok)
      expect(moveRun(approved.value, { type, environment: 'production', who: 'bob' }, now).ok).toBe(false)
    const frozen = { ...run, gate: { ...gate, kind: 'freeze' as const } }
    expect(moveRun(frozen, { type, environment: 'production', who: 'ann' }, now).ok).toBe(false)
  }
  const rejected = play([{ type: 'rejected', environment: 'production', who: 'ann' }], run)
  expect(rejected).toMatchObject({ state: 'cancelled', reason: { code: 'approval_rejected' } })
  const expired = play([{ type: 'approval_expired', environment: 'production' }], run)
  expect(expired).toMatchObject({ state: 'failed', reason: { code: 'approval_expired' } })
  expect(expired.stages.at(-1)).toMatchObject({ state: 'failed', reason: { code: 'approval_expired' } })
  for (const ended of [rejected, expired]) expect(ended.gate).toBeUndefined()
})

test('who waits at a gate can be cancelled, and who was to be cancelled does not wait', () => {
  expect(play([{ type: 'cancelled', who: 'ann' }], atGate())).toMatchObject({ state: 'cancelled' })
  const asked = play([started, { type: 'cancel_requested', who: 'ann' }, { type: 'gate_closed', gate }])
  expect(asked).toMatchObject({ state: 'cancelled', reason: { message: 'Cancelled by ann.' } })
})

test('the time at gates does not count as time of the run', () => {
  const limited = { ...atGate(), plan: { ...plan, timeoutMs: 60_000 } }
  const hour = '2026-01-01T01:00:00.000Z'
  const opened = moveRun(limited, { type: 'gate_opened', environment: 'production' }, hour)
  expect(opened.ok && overdueSeconds(opened.value, Date.parse(hour) + 59_000)).toBeUndefined()
  expect(opened.ok && overdueSeconds(opened.value, Date.parse(hour) + 61_000)).toBe(60)
})
