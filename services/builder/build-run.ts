import type { Config } from '@taxiway/chassis/config.ts'
import type { StepLimiter } from '@taxiway/docker/build/step-limits.ts'
import { type Engine, engineFault } from '@taxiway/docker/engine/engine.ts'
import { removeRun } from '@taxiway/docker/engine/labels.ts'
import type { Plan } from '@taxiway/domain/plan/plan.ts'
import { type Outcome, reason } from '@taxiway/domain/reason.ts'
import { buildStages } from '@taxiway/domain/run/parts.ts'
import { findStage, isPassed, isTerminal, type Run } from '@taxiway/domain/run/run.ts'
import type { Attempt } from '@taxiway/worker/attempts.ts'
import type { End } from '@taxiway/worker/end.ts'
import { type HoldDeps, holdRun } from '@taxiway/worker/hold-run.ts'
import { type AttemptContext, record, runStage, type StageContext } from '@taxiway/worker/stage.ts'
import type { Containment } from './containment.ts'
import { giveWay } from './give-way.ts'
import { makeRegistryImages } from './images/registry-images.ts'
import { limitTime } from './limit-time.ts'
import { build } from './stages/build.ts'
import { checkout } from './stages/checkout.ts'
import { publish } from './stages/publish.ts'
import { test } from './stages/test.ts'
import type { Slots } from './tests-of-run/slots.ts'
import type { Workspace, Workspaces } from './workspaces.ts'

export interface BuilderDeps extends HoldDeps {
  config: Config
  engine: Engine
  /** Missing where build steps can't be limited. */
  limiter?: StepLimiter | undefined
  /** Room for containers of tests. */
  slots: Slots
  containment: Pick<Containment, 'lacking'>
  workspaces: Workspaces
}

/** Takes a run from its commit to published images: checkout, build, then test beside publish. */
export async function buildRun(deps: BuilderDeps, run: Run): Promise<void> {
  const { engine, logger } = deps
  const after = await holdRun(deps, run.id, (context) => inWorkspace({ ...deps, store: context.store }, context), {
    run,
    first: 'checkout',
  })
  if (!after || !isTerminal(after.state)) return
  await removeRun(engine, run.id).catch((error) =>
    logger.warn({ err: error, run: run.id }, 'clean-up left to the sweep'),
  )
}

async function inWorkspace(deps: BuilderDeps, context: AttemptContext): Promise<End> {
  const { attempt } = context
  const limit = limitTime(attempt, () => deps.store.now().getTime())
  const workspace = deps.workspaces.take(attempt.run)
  workspace.catch(() => {})
  try {
    return await throughStages(deps, context, workspace)
  } finally {
    limit.end()
    // What can't be removed now is swept later.
    await workspace.then((taken) => taken.release()).catch(() => {})
  }
}

async function throughStages(deps: BuilderDeps, context: AttemptContext, workspace: Promise<Workspace>): Promise<End> {
  const tree = await runStage(context, 'checkout', async (stage) => {
    const lacking = deps.containment.lacking()
    return lacking ? { ok: false, reason: lacking } : checkout(stage, { ...deps, workspace: await workspace })
  })
  if (tree.end !== 'done') return tree
  if (tree.value.plan.ignored) return leaveOut(context, tree.value.plan, tree.value.plan.ignored)
  const by = await giveWay(deps.store, context.attempt.run)
  if (by !== undefined) return { end: 'superseded', by }
  const { repository, trusted } = context.attempt.run
  const isTrusted = trusted !== false
  const registryImages = makeRegistryImages({ ...deps, registry: deps.config.registry, repository, isTrusted })
  const work = { ...deps, tree: tree.value, registryImages }
  const built = await runStage(context, 'build', (stage) => onEngine(stage, build(stage, work)))
  if (built.end !== 'done') return built
  // Untrusted code leaves nothing behind that others might take for ours.
  if (context.attempt.run.trusted === false && !isDone(context, 'publish'))
    await record(context, { type: 'stage_finished', stage: 'publish', state: 'skipped' })
  const made = { ...work, ...built.value }
  // Publish overlaps test: what failed its test is in the registry under its run's tag, and deployed by nobody.
  const end = await together(context.attempt, [
    ...(isDone(context, 'test') ? [] : [runStage(context, 'test', (stage) => onEngine(stage, test(stage, made)))]),
    ...(isDone(context, 'publish')
      ? []
      : [runStage(context, 'publish', (stage) => onEngine(stage, publish(stage, made)))]),
  ])
  if (end.end === 'done' && !isTerminal(context.attempt.run.state)) await record(context, { type: 'handed_over' })
  return end
}

/** Names the engine where it went away from under a stage. */
async function onEngine<T>({ signal }: StageContext, work: Promise<Outcome<T>>): Promise<Outcome<T>> {
  return work.catch((error: NodeJS.ErrnoException) => {
    const isConnection =
      ['connect', 'read', 'write'].includes(error.syscall ?? '') || error.message === 'socket hang up'
    const gone =
      isConnection && !signal.aborted ? engineFault(error, { midWork: error.syscall !== 'connect' }) : undefined
    if (gone) return { ok: false, reason: gone }
    throw error
  })
}

/** The end of stages that run side by side: what one refuses ends the others, and is the end of all. */
async function together(attempt: Attempt, stages: Promise<End>[]): Promise<End> {
  const settled = await Promise.allSettled(
    stages.map(async (stage) => {
      const end = await stage
      if (end.end === 'refused') attempt.abort('over')
      return end
    }),
  )
  const ends = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const refused = ends.find(({ end }) => end === 'refused')
  const fault = settled.find((one) => one.status === 'rejected')
  if (fault && !refused) throw fault.reason
  return refused ?? ends.find(({ end }) => end !== 'done') ?? { end: 'done', value: undefined }
}

/** The pipeline's own rules, or the commit's message, let this run do nothing: it has succeeded, and says why it did nothing. */
async function leaveOut(context: AttemptContext, plan: Plan, rule: string): Promise<End> {
  const why = plan.isSkipped ? reason('ignored_skip_ci') : reason('ignored_by_pipeline', { rule })
  await record(context, { type: 'noted', reason: why })
  for (const stage of buildStages)
    if (!isDone(context, stage)) await record(context, { type: 'stage_finished', stage, state: 'skipped', reason: why })
  return { end: 'done', value: undefined }
}

const isDone = (context: AttemptContext, name: string): boolean => isPassed(findStage(context.attempt.run, name))
