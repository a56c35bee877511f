import type { RunId } from '@taxiway/domain/ids.ts'
import { nextDeployStage, overdueSeconds, stageKey } from '@taxiway/domain/run/run.ts'
import type { End } from '@taxiway/worker/end.ts'
import { holdRun } from '@taxiway/worker/hold-run.ts'
import { type AttemptContext, runStage } from '@taxiway/worker/stage.ts'
import { deployRelease } from './deploy-release.ts'
import type { DeployerDeps } from './roll-out.ts'
import { gateBefore } from './turn/gates.ts'

/** Takes a published run into its environments, one after another in the pipeline's order; at a gate that is closed, it is given back. */
export async function deployRun(deps: DeployerDeps, runId: RunId): Promise<void> {
  await holdRun(deps, runId, (context) => throughEnvironments({ ...deps, store: context.store }, context))
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
    const gate = await gateBefore(deps.store, attempt.run, environment)
    if (gate) return { end: 'parked', gate }
    end = await runStage(context, stageKey(next), (stage) =>
      deployRelease(stage, { ...deps, token, environment, holder: attempt.fence.holder }),
    )
  }
  return end
}
