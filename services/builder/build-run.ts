import type { Config } from '@taxiway/chassis/config.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import type { StepLimiter } from '@taxiway/docker/build/step-limits.ts'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { removeRun } from '@taxiway/docker/engine/labels.ts'
import { newId } from '@taxiway/domain/ids.ts'
import { reason } from '@taxiway/domain/reason.ts'
import { buildStages } from '@taxiway/domain/run/parts.ts'
import { findStage, isPassed, isTerminal, type Run } from '@taxiway/domain/run/run.ts'
import { patiently } from '@taxiway/store/redis/connection.ts'
import { dispatch } from '@taxiway/store/runs/dispatch.ts'
import type { Store } from '@taxiway/store/store.ts'
import { type Attempt, beginAttempt } from '@taxiway/worker/attempts.ts'
import { hiddenValues } from '@taxiway/worker/hidden-values.ts'
import { type AttemptContext, closeAborted, record, runStage } from '@taxiway/worker/stage.ts'
import { giveWay } from './give-way.ts'
import { limitTime } from './limit-time.ts'
import { build } from './stages/build.ts'
import { checkout } from './stages/checkout.ts'
import { publish } from './stages/publish.ts'
import { test } from './stages/test.ts'
import type { Slots } from './tests-of-run/slots.ts'
import type { Workspace, Workspaces } from './workspaces.ts'

export interface BuilderDeps {
  config: Config
  store: Store
  engine: Engine
  /** Missing where build steps can't be limited. */
  limiter?: StepLimiter | undefined
  /** Room for containers of tests. */
  slots: Slots
  logger: Logger
  workspaces: Workspaces
  /** What this process works on now, to be given back at a shutdown. */
  active: Set<Attempt>
}

/** Takes a run from its commit to published images: checkout, build, then test beside publish. */
export async function buildRun(deps: BuilderDeps, run: Run): Promise<void> {
  const { store, config, logger } = deps
  const holder = newId('holder', store.random)
  const known = { run, first: 'checkout' }
  const begun = await patiently(() => beginAttempt(store.runs, run.id, config.worker, holder, known))
  // Somebody else has it, or it is over: then there is nothing to do here.
  if (!begun.ok) return
  const attempt = begun.value
  const log = logger.child({ run: run.id, attempt: attempt.fence.attempt })
  const token = patiently(() => store.repositories.token(attempt.run.repo))
  const secrets = patiently(() => hiddenValues(store, attempt.run.repo, config.registry))
  for (const early of [token, secrets]) early.catch(() => {})
  const context = { store, logger: log, attempt, secrets }
  deps.active.add(attempt)
  const limit = limitTime(attempt, () => store.now().getTime())
  const workspace = deps.workspaces.take(attempt.run)
  workspace.catch(() => {})
  try {
    await throughStages(deps, context, workspace, token)
  } catch (error) {
    await closeAborted(context, error, config.worker)
  } finally {
    limit.end()
    attempt.end()
    deps.active.delete(attempt)
    await workspace.then(
      (taken) => taken.release(),
      () => {},
    )
  }
  const after = await patiently(() => store.runs.read(run.id))
  if (after) await afterwards(deps, after)
}

async function throughStages(
  deps: BuilderDeps,
  context: AttemptContext,
  workspace: Promise<Workspace>,
  token: Promise<string | undefined>,
): Promise<void> {
  const tree = await runStage(context, 'checkout', async (stage) =>
    checkout(stage, { ...deps, folder: (await workspace).tree, token }),
  )
  if (!tree.ok) return
  ;(await workspace).isWhole()
  if (tree.value.plan.ignored) return leaveOut(context, tree.value.plan.ignored)
  await giveWay(deps.store, context.attempt.run)
  const images = await runStage(context, 'build', (stage) => build(stage, { ...deps, tree: tree.value }))
  if (!images.ok) return
  // Untrusted code leaves nothing behind that others might take for ours.
  if (context.attempt.run.trusted === false && !isDone(context, 'publish'))
    await record(context, { type: 'stage_finished', stage: 'publish', state: 'skipped' })
  // Publish overlaps test: what failed its test is in the registry under its run's tag, and deployed by nobody.
  const testing = isDone(context, 'test')
    ? undefined
    : runStage(context, 'test', (stage) => test(stage, { ...deps, tree: tree.value, images: images.value }))
  const publishing = isDone(context, 'publish')
    ? undefined
    : runStage(context, 'publish', (stage) => publish(stage, { ...deps, tree: tree.value, images: images.value }))
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

/** The pipeline's own rules let this run do nothing: it has succeeded, and says why it did nothing. */
async function leaveOut(context: AttemptContext, rule: string): Promise<void> {
  const why = reason('ignored_by_pipeline', { rule })
  await record(context, { type: 'noted', reason: why })
  for (const stage of buildStages)
    if (!isDone(context, stage)) await record(context, { type: 'stage_finished', stage, state: 'skipped', reason: why })
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
