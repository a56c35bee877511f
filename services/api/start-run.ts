import { newId, type RunId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { isTerminal, type NewRun, type Run } from '@taxiway/domain/run/run.ts'
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

/**
 * The same, but the same wish again while its run is not over is that run: two calls with one `wish` begin one run.
 * @returns the run, and whether it was begun by this call
 */
export async function startRunOnce(
  deps: Deps,
  wish: string,
  make: (id: RunId, now: string) => NewRun,
): Promise<Outcome<{ run: Run; isNew: boolean }>> {
  const { store } = deps
  const made = make(newId<RunId>('run', store.random), store.now().toISOString())
  const accepted = await acceptRun(deps, made, { id: wish, headers: {}, body: Buffer.alloc(0) })
  if (accepted.kind === 'accepted') return done({ run: accepted.run, isNew: true })
  const known = accepted.kind === 'duplicate' ? await store.runs.read(accepted.runId) : undefined
  if (known && !isTerminal(known.state)) return done({ run: known, isNew: false })
  const started = await startRun(deps, make)
  return started.ok ? done({ run: started.value, isNew: true }) : started
}
