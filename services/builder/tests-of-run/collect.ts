import { join } from 'node:path'
import type { PlannedTest } from '@taxiway/domain/plan/tests.ts'
import { reason } from '@taxiway/domain/reason.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import type { StageLog } from '@taxiway/worker/stage-log.ts'
import { artifactLimits, keepArtifacts } from './artifacts.ts'
import type { TestDeps } from './deps.ts'
import type { Report } from './junit.ts'
import { readReports } from './reports.ts'

/** What a run may still tell of failures, and keep of files: all of it stands in its record. */
export interface Left {
  failures: number
  artifactBytes: number
  artifacts: number
}
const mostFailures = 50
export const wholeLeft = (): Left => ({
  failures: 200,
  artifactBytes: artifactLimits.bytes,
  artifacts: artifactLimits.count,
})

export interface Collect {
  stage: StageContext
  deps: TestDeps
  planned: PlannedTest
  log: StageLog
  left: Left
  /** A container that has ended. */
  id: string
  /** Files are kept of the last try only. */
  isLast: boolean
  /** Did its commands end with 0? */
  isGood: boolean
}

/**
 * Takes reports and artifacts out of a test's container. What can't be had is told in the log, and fails nothing; a test that passed in spite of its
 * report, or without one, is noted on the run.
 */
export async function collect(order: Collect): Promise<Report | undefined> {
  const { planned, left } = order
  const report = planned.junit === undefined ? undefined : await readReport(order, planned.junit)
  if (report && order.isLast) left.failures -= report.failures.length
  if (planned.artifacts && order.isLast) await keep(order, planned.artifacts)
  return report
}

async function readReport(order: Collect, path: string): Promise<Report | undefined> {
  const { stage, planned, log } = order
  const problems: string[] = []
  const report = await attempt(order, 'the report could not be read', (say) =>
    readReports(order.deps.engine, {
      id: order.id,
      path,
      mostFailures: Math.min(mostFailures, order.left.failures),
      signal: stage.signal,
      note(text) {
        problems.push(text)
        say(`report: ${text}`)
      },
    }),
  )
  const doubt = order.isGood ? doubtOf(planned.name, report, problems) : undefined
  if (doubt) log.say(`note: ${doubt.message}`)
  if (doubt) await stage.record({ type: 'noted', reason: doubt, test: planned.name })
  return report
}

/** Why the commands' word that a test has passed may not be the whole truth. */
function doubtOf(test: string, report: Report | undefined, [problem = 'it could not be read']: string[]) {
  if (!report) return reason('report_unread', { test, detail: problem })
  const { total, failed } = report.counts
  return failed > 0 ? reason('report_differs', { test, total, failed }) : undefined
}

const keep = (order: Collect, { paths, expireMs }: NonNullable<PlannedTest['artifacts']>) =>
  attempt(order, 'artifacts could not be kept', async (note) => {
    const { stage, deps, left } = order
    const kept = keepArtifacts(deps.engine, {
      container: order.id,
      run: stage.run.id,
      test: order.planned.name,
      paths,
      expiresAt: new Date(deps.store.now().getTime() + expireMs),
      folder: join(deps.config.dataFolder, 'artifacts'),
      left,
      signal: stage.signal,
      note: (text) => note(`artifacts: ${text}`),
    })
    for await (const artifact of kept) {
      await stage.record({ type: 'artifact_kept', artifact })
      order.log.say(`kept ${artifact.path} as ${artifact.name}, ${artifact.bytes} bytes`)
    }
  })

async function attempt<T>(
  { stage, log }: Collect,
  failure: string,
  work: (note: (text: string) => void) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work(log.say)
  } catch (error) {
    stage.signal.throwIfAborted()
    log.say(`${failure}: ${(error as Error).message}`)
    return undefined
  }
}
