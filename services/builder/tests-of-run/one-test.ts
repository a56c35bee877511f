import { isByChance, isInfrastructure } from '@taxiway/domain/fault.ts'
import type { PlannedTest } from '@taxiway/domain/plan/tests.ts'
import { done, lastWords, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { RunTest } from '@taxiway/domain/run/parts.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import type { StageLog } from '@taxiway/worker/stage-log.ts'
import { buildOne } from '../images/build-one.ts'
import { collect, type Left } from './collect.ts'
import type { TestDeps } from './deps.ts'
import type { Report } from './junit.ts'
import { runCommands } from './run-commands.ts'

export interface OneTest {
  stage: StageContext
  deps: TestDeps
  planned: PlannedTest
  index: number
  log: StageLog
  left: Left
}

/** Runs a test as often as it may be tried, and records how it stands. A fault of the infrastructure is not tried again here. */
export async function runTest(order: OneTest): Promise<Outcome<void>> {
  const { stage, planned, log } = order
  const { name } = planned
  const most = 1 + (planned.retry ?? 0)
  const beganMs = performance.now()
  for (let number = 1; ; number++) {
    await stage.record({ type: 'test_changed', test: { name, state: 'running', tries: number } })
    const { outcome, report } = await tryOnce(order, number === most)
    if (!outcome.ok && number < most && isByChance(outcome.reason.code)) {
      log.say(`✗ ${outcome.reason.message} Try ${number + 1} of ${most} begins.`)
      continue
    }
    const durationMs = Math.round(performance.now() - beganMs)
    await stage.record({
      type: 'test_changed',
      test: { name, tries: number, durationMs, ...resultOf(planned, number, outcome), ...report },
    })
    return outcome
  }
}

function resultOf(
  planned: PlannedTest,
  tries: number,
  outcome: Outcome<void>,
): Pick<RunTest, 'state' | 'flaky' | 'allowed' | 'reason'> {
  if (outcome.ok) return { state: 'passed', ...(tries > 1 ? { flaky: true } : {}) }
  const isAllowed = planned.allowFailure && !isInfrastructure(outcome.reason.code)
  const { code, message } = outcome.reason
  return { state: 'failed', reason: { code, message }, ...(isAllowed ? { allowed: true } : {}) }
}

async function tryOnce(order: OneTest, isLast: boolean): Promise<{ outcome: Outcome<void>; report?: Report }> {
  const { run } = order.planned
  if (!Array.isArray(run)) return { outcome: await buildTarget(order, run.buildTarget) }
  let report: Report | undefined
  const outcome = await runCommands({
    ...order,
    commands: run,
    async onEnd(id, ran) {
      const isGood = ran.exitCode === 0 && !ran.timedOut
      report = await collect({ ...order, id, isLast: isLast || isGood, isGood })
      return report
    },
  })
  return { outcome, ...(report ? { report } : {}) }
}

/** The implied test: building the Dockerfile's stage named `test` is the test. */
async function buildTarget({ stage, deps, planned, log }: OneTest, target: string): Promise<Outcome<void>> {
  const image = deps.tree.plan.images.find(({ name }) => name === planned.image)
  if (!image) return refuse('image_not_found', { image: planned.image })
  const built = await buildOne({ ...stage, log }, deps, image, target)
  if (built.ok) return done(undefined)
  if (built.reason.code !== 'build_failed') return built
  return refuse('test_failed', { test: planned.name, exit: 1, detail: lastWords(log.lastLines(20), 200) })
}
