import type { RunId } from '@taxiway/domain/ids.ts'
import { isTerminal, nextDeployStage, overdueSeconds, type Run, stageKey } from '@taxiway/domain/run/run.ts'
import { serving } from '@taxiway/store/environments/seen.ts'
import type { End } from '@taxiway/worker/end.ts'
import { holdRun } from '@taxiway/worker/hold-run.ts'
import { type AttemptContext, runStage } from '@taxiway/worker/stage.ts'
import { deployRelease } from './deploy-release.ts'
import { placedElsewhere } from './order/place.ts'
import type { DeployerDeps } from './roll-out.ts'
import { gateBefore } from './turn/gates.ts'

/**
 * Takes a published run into its environments, one after another in the pipeline's order; at a gate that is closed, it is given back.
 * One whose next environment others serve is passed on to them.
 */
export async function deployRun(deps: DeployerDeps, runId: RunId): Promise<void> {
  const run = await deps.store.runs.read(runId)
  if (!run || (await passOn(deps, run))) return
  const after = await holdRun(deps, runId, (context) => throughEnvironments({ ...deps, store: context.store }, context))
  if (after && !isTerminal(after.state) && !after.gate) await passOn(deps, after)
}

/** Wakes a deployer that serves the run's next environment. @returns false when that is this one, or when none is up that does */
async function passOn(deps: DeployerDeps, run: Run): Promise<boolean> {
  const to = await servedBy(deps, run)
  if (to !== undefined) await deps.store.queue.passOn(run, to)
  return to !== undefined
}

/** Whom the run's next environment is passed on to: those that name its target, else those that serve all. */
async function servedBy(deps: DeployerDeps, run: Run): Promise<string | undefined> {
  const next = nextDeployStage(run)
  const environment = run.plan?.environments.find(({ name }) => name === next?.environment)
  const target = environment && (await placedElsewhere(deps, run.repo, environment))
  if (target === undefined) return undefined
  const [able] = serving(await deps.store.environmentStates.deployers(), target)
  return able && (able.serves.length > 0 ? target : 'all')
}

async function throughEnvironments(deps: DeployerDeps, context: AttemptContext): Promise<End> {
  const { attempt } = context
  const token = await deps.store.repositories.token(attempt.run.repo)
  let end: End = { end: 'done', value: undefined }
  while (end.end === 'done') {
    const next = nextDeployStage(attempt.run)
    const environment = attempt.run.plan?.environments.find(({ name }) => name === next?.environment)
    if (!next || !environment) return end
    // A roll-out that has begun ends by its own time; the next does not begin.
    if (overdueSeconds(attempt.run, deps.store.now().getTime()) !== undefined) {
      attempt.abort('timeout')
      return { end: 'lost' }
    }
    if (await servedBy(deps, attempt.run)) return { end: 'handed_over' }
    const gate = await gateBefore(deps.store, attempt.run, environment)
    if (gate) return { end: 'parked', gate }
    end = await runStage(context, stageKey(next), (stage) =>
      deployRelease(stage, { ...deps, token, environment, holder: attempt.fence.holder }),
    )
  }
  return end
}
