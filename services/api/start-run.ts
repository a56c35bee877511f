import { newId, type RunId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { NewRun, Run } from '@taxiway/domain/run/run.ts'
import { dispatch } from '@taxiway/store/runs/dispatch.ts'
import type { Accepted, Delivery } from '@taxiway/store/runs/runs.ts'
import type { ApiDeps } from './api.ts'

type Deps = Pick<ApiDeps, 'store' | 'logger'>

/** Takes a new run into the record, once for each delivery, and wakes a worker for it. Every run begins here. */
export async function acceptRun({ store, logger }: Deps, run: NewRun, delivery: Delivery): Promise<Accepted> {
  const accepted = await store.runs.accept(run, delivery)
  // The run is durable; a lost job is added again by the workers' own passes.
  if (accepted.kind === 'accepted')
    dispatch(store.queue, accepted.run).catch((error) => logger.warn({ err: error, run: run.id }, 'job not added yet'))
  return accepted
}

/** Starts a run that a person asked for. */
export async function startRun(deps: Deps, make: (id: RunId, now: string) => NewRun): Promise<Outcome<Run>> {
  const { store } = deps
  const run = make(newId<RunId>('run', store.random), store.now().toISOString())
  const delivery = { id: `${run.event}-${run.id}`, headers: {}, body: Buffer.alloc(0) }
  const accepted = await acceptRun(deps, run, delivery)
  return accepted.kind === 'accepted' ? done(accepted.run) : refuse('not_found', { what: 'repository' })
}
