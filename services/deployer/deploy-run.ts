import { newId, type RunId } from '@taxiway/domain/ids.ts'
import { isTerminal, nextDeployStage, overdueSeconds, stageKey } from '@taxiway/domain/run/run.ts'
import { patiently } from '@taxiway/store/redis/connection.ts'
import { beginAttempt } from '@taxiway/worker/attempts.ts'
import { hiddenValues } from '@taxiway/worker/hidden-values.ts'
import { type AttemptContext, closeAborted, Gated, record, runStage } from '@taxiway/worker/stage.ts'
import { deployRelease } from './deploy-release.ts'
import type { DeployerDeps } from './roll-out.ts'
import { gateBefore } from './turn/gates.ts'

/** Takes a published run into its environments, one after another in the pipeline's order; at a gate that is closed, it is given back. */
export async function deployRun(deps: DeployerDeps, runId: RunId): Promise<void> {
  const { store, config, logger } = deps
  const holder = newId('holder', store.random)
  const begun = await patiently(() => beginAttempt(store.runs, runId, config.worker, holder))
  // Somebody else has it, or it is over: then there is nothing to do here.
  if (!begun.ok) return
  const attempt = begun.value
  const secrets = patiently(() => hiddenValues(store, attempt.run.repo, config.registry))
  secrets.catch(() => {})
  const context: AttemptContext = {
    store,
    logger: logger.child({ run: runId }),
    attempt,
    secrets,
  }
  deps.active.add(attempt)
  try {
    await throughEnvironments(deps, context)
  } catch (error) {
    await closeAborted(context, error, config.worker)
  } finally {
    attempt.end()
    deps.active.delete(attempt)
  }
  const run = await patiently(() => store.runs.read(runId))
  if (run && isTerminal(run.state)) await store.logs.expire(run.id).catch(() => {})
}

async function throughEnvironments(deps: DeployerDeps, context: AttemptContext): Promise<void> {
  const { repositories } = deps.store
  const token = await patiently(() => repositories.token(context.attempt.run.repo))
  for (;;) {
    const next = nextDeployStage(context.attempt.run)
    const environment = context.attempt.run.plan?.environments.find(({ name }) => name === next?.environment)
    if (!next || !environment) return
    // A roll-out that has begun ends by its own time; the next does not begin.
    const seconds = overdueSeconds(context.attempt.run, deps.store.now().getTime())
    if (seconds !== undefined) return record(context, { type: 'timed_out', seconds })
    const gate = await gateBefore(deps.store, context.attempt.run, environment)
    if (gate) throw new Gated(gate)
    const outcome = await runStage(context, stageKey(next), (stage) =>
      deployRelease(stage, { ...deps, token, environment, holder: context.attempt.fence.holder }),
    )
    if (!outcome.ok) return
  }
}
