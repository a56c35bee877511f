import { isInfrastructure } from '@taxiway/domain/fault.ts'
import type { PlannedTest } from '@taxiway/domain/plan/tests.ts'
import { done, type Outcome, type Reason, reason } from '@taxiway/domain/reason.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { inOrder } from '../in-order.ts'
import { wholeLeft } from '../tests-of-run/collect.ts'
import type { TestDeps } from '../tests-of-run/deps.ts'
import { runTest } from '../tests-of-run/one-test.ts'

/** Tests of one run that run side by side, as far as there is room. */
const atOnce = 4

/** Runs every test of the plan, side by side and in the order of their needs, all to their end. The first that failed is the verdict. */
export async function test(stage: StageContext, deps: TestDeps): Promise<Outcome<void>> {
  const { tests } = deps.tree.plan
  if (tests.length === 0) stage.log.say('no tests')
  const failures = new Map<PlannedTest, Reason>()
  const left = wholeLeft()
  const ended = await inOrder(tests, {
    atOnce,
    signal: stage.signal,
    async run(planned, signal) {
      const index = tests.indexOf(planned)
      const log = tests.length > 1 ? stage.log.part(`${planned.name} | `) : stage.log
      try {
        if (log === stage.log) log.say(`test ${planned.name}`)
        const outcome = await runTest({ stage: { ...stage, signal }, deps, planned, index, log, left })
        if (outcome.ok && tests.length > 1) log.say('✓ passed')
        if (outcome.ok) return done(true)
        if (isInfrastructure(outcome.reason.code)) return outcome
        if (tests.length > 1 || planned.allowFailure)
          log.say(`✗ ${outcome.reason.message}${planned.allowFailure ? ' It is allowed to fail.' : ''}`)
        if (!planned.allowFailure) failures.set(planned, outcome.reason)
        return done(planned.allowFailure === true)
      } finally {
        if (log !== stage.log) await log.end()
      }
    },
    async skip(planned, need) {
      const why = reason('test_needs', { test: need })
      stage.log.say(`${planned.name} | – ${why.message}`)
      await stage.record({
        type: 'test_changed',
        test: { name: planned.name, state: 'skipped', tries: 0, reason: why },
      })
    },
  })
  if (!ended.ok) return ended
  return verdict(tests, failures)
}

/** The first of the plan that failed, and how many more. */
function verdict(tests: PlannedTest[], failures: Map<PlannedTest, Reason>): Outcome<void> {
  const first = tests.map((one) => failures.get(one)).find((found) => found !== undefined)
  if (!first) return done(undefined)
  const more = failures.size - 1
  const rest = more > 0 ? ` ${more} more ${more === 1 ? 'test' : 'tests'} failed.` : ''
  return { ok: false, reason: { ...first, message: `${first.message}${rest}` } }
}
