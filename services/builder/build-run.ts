import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '@taxiway/chassis/config.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import type { Engine } from '@taxiway/docker/engine.ts'
import { removeRun } from '@taxiway/docker/labels.ts'
import type { StepLimiter } from '@taxiway/docker/step-limits.ts'
import type { RunId } from '@taxiway/domain/ids.ts'
import { newId } from '@taxiway/domain/ids.ts'
import { findStage, isPassed, isTerminal, type Run } from '@taxiway/domain/run.ts'
import { type Attempt, beginAttempt } from '@taxiway/store/attempts.ts'
import { patiently } from '@taxiway/store/connection.ts'
import { dispatch } from '@taxiway/store/dispatch.ts'
import { type AttemptContext, closeAborted, record, runStage } from '@taxiway/store/stage.ts'
import type { Store } from '@taxiway/store/store.ts'
import { build } from './stages/build.ts'
import { checkout } from './stages/checkout.ts'
import { publish } from './stages/publish.ts'
import { test } from './stages/test.ts'

export interface BuilderDeps {
  config: Config
  store: Store
  engine: Engine
  /** Missing where build steps can't be limited. */
  limiter?: StepLimiter | undefined
  logger: Logger
  /** What this process works on now, to be given back at a shutdown. */
  active: Set<Attempt>
}

/** Takes a run from its commit to published images: checkout, build, then test beside publish. */
export async function buildRun(deps: BuilderDeps, runId: RunId): Promise<void> {
  const { store, config, logger } = deps
  const begun = await patiently(() =>
    beginAttempt(store.runs, runId, config.worker, () => newId('holder', store.random)),
  )
  // Somebody else has it, or it is over: then there is nothing to do here.
  if (!begun.ok) return
  const attempt = begun.value
  const log = logger.child({ run: runId, attempt: attempt.fence.attempt })
  const workspace = join(config.dataFolder, 'workspaces', `${runId}-${attempt.fence.attempt}`)
  const token = patiently(() => store.repositories.token(attempt.run.repo))
  const secrets = token.then((value) =>
    [value, config.registry.password].filter((secret): secret is string => Boolean(secret)),
  )
  secrets.catch(() => {})
  const context = { store, logger: log, attempt, secrets }
  deps.active.add(attempt)
  try {
    await throughStages(deps, context, workspace, token)
  } catch (error) {
    await closeAborted(context, error, config.worker)
  } finally {
    attempt.end()
    deps.active.delete(attempt)
    await rm(workspace, { recursive: true, force: true })
  }
  const run = await patiently(() => store.runs.read(runId))
  if (run) await afterwards(deps, run)
}

async function throughStages(
  deps: BuilderDeps,
  context: AttemptContext,
  workspace: string,
  token: Promise<string | undefined>,
): Promise<void> {
  const tree = await runStage(context, 'checkout', (stage) => checkout(stage, { ...deps, workspace, token }))
  if (!tree.ok) return
  const images = await runStage(context, 'build', (stage) => build(stage, { ...deps, tree: tree.value }))
  if (!images.ok) return
  // Publish overlaps test: what failed its test is in the registry under its run's tag, and deployed by nobody.
  const testing = isDone(context, 'test')
    ? undefined
    : runStage(context, 'test', (stage) => test(stage, { ...deps, tree: tree.value, images: images.value }))
  const publishing = isDone(context, 'publish')
    ? undefined
    : runStage(context, 'publish', (stage) => publish(stage, { ...deps, images: images.value }))
  // What one refuses ends the other.
  const together = [testing, publishing].map((stage) =>
    stage?.then((outcome) => (outcome.ok ? undefined : context.attempt.abort('over'))),
  )
  await Promise.allSettled(together)
  const outcomes = await Promise.allSettled([testing, publishing])
  const refused = outcomes.some((one) => one.status === 'fulfilled' && one.value && !one.value.ok)
  const fault = outcomes.find((one) => one.status === 'rejected')
  if (refused) return
  if (fault) throw fault.reason
  if (!isTerminal(context.attempt.run.state)) await record(context, { type: 'handed_over' })
}

const isDone = (context: AttemptContext, name: string): boolean => isPassed(findStage(context.attempt.run, name))

async function afterwards(deps: BuilderDeps, run: Run): Promise<void> {
  if (isTerminal(run.state)) {
    await deps.store.logs.expire(run.id).catch(() => {})
    await removeRun(deps.engine, run.id).catch((error) =>
      deps.logger.warn({ err: error, run: run.id }, 'clean-up left to the sweep'),
    )
  } else
    await dispatch(deps.store.queue, run).catch((error) =>
      deps.logger.warn({ err: error, run: run.id }, 'job not added yet'),
    )
}
