import type { PlannedTest } from '@taxiway/domain/plan/tests.ts'
import { done, isInfrastructure, type Outcome, type Reason, reason } from '@taxiway/domain/reason.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { wholeLeft } from '../tests-of-run/collect.ts'
import type { TestDeps } from '../tests-of-run/deps.ts'
import { runTest } from '../tests-of-run/one-test.ts'
import { inOrder } from '../tests-of-run/schedule.ts'

/** Tests of one run that run side by side, as far as there is room. */
const atOnce = 4

/** Ends the stage: the tests that still run are ended with it. */
class Fault extends Error {
  readonly reason: Reason
  constructor(reason: Reason) {
    super(reason.message)
    this.reason = reason
  }
}

/** Runs every test of the plan, side by side and in the order of their needs, all to their end. The first that failed is the verdict. */
export async function test(stage: StageContext, deps: TestDeps): Promise<Outcome<void>> {
  const { tests } = deps.tree.plan
  if (tests.length === 0) stage.log.say('no tests')
  const failures = new Map<PlannedTest, Reason>()
  const faulty = new AbortController()
  const signal = AbortSignal.any([stage.signal, faulty.signal])
  const left = wholeLeft()
  try {
    await inOrder(tests, atOnce, {
      async run(planned, index) {
        const log = tests.length > 1 ? stage.log.part(`${planned.name} | `) : stage.log
        try {
          if (log === stage.log) log.say(`test ${planned.name}`)
          const outcome = await runTest({ stage: { ...stage, signal }, deps, planned, index, log, left })
          if (outcome.ok && tests.length > 1) log.say('✓ passed')
          if (outcome.ok) return true
          if (isInfrastructure(outcome.reason.code)) throw new Fault(outcome.reason)
          if (tests.length > 1 || planned.allowFailure)
            log.say(`✗ ${outcome.reason.message}${planned.allowFailure ? ' It is allowed to fail.' : ''}`)
          if (!planned.allowFailure) failures.set(planned, outcome.reason)
          return planned.allowFailure === true
        } catch (error) {
          faulty.abort(error)
          throw error
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
  } catch (error) {
    if (error instanceof Fault) return { ok: false, reason: error.reason }
    throw error
  }
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
