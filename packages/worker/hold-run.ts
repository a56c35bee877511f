import type { Config } from '@taxiway/chassis/config.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import { newId, type RunId } from '@taxiway/domain/ids.ts'
import type { RunEvent } from '@taxiway/domain/run/event.ts'
import { isTerminal, type Run, stageKey } from '@taxiway/domain/run/run.ts'
import { hideError } from '@taxiway/domain/secrets/mask.ts'
import { patientStore } from '@taxiway/store/patient.ts'
import { patiently } from '@taxiway/store/redis/connection.ts'
import { dispatch } from '@taxiway/store/runs/dispatch.ts'
import type { Store } from '@taxiway/store/store.ts'
import { type Attempt, beginAttempt } from './attempts.ts'
import { type End, endOf } from './end.ts'
import { hiddenValues } from './hidden-values.ts'
import { type AttemptContext, faultReason, finishedBy } from './stage.ts'

/** What a worker holds runs with. */
export interface HoldDeps {
  config: Pick<Config, 'worker' | 'registry' | 'retryPausesMs'>
  store: Store
  logger: Logger
  /** What this process works on now, to be given back at a shutdown. */
  active: Set<Attempt>
}

/**
 * Takes a run, works on it, and writes how that ended, or gives it to whoever it needs next. Does nothing if somebody else has
 * it, or it is over.
 * @param known the run as it was read, and the stage to begin with it
 * @returns the run as it is afterwards
 */
export async function holdRun(
  deps: HoldDeps,
  id: RunId,
  work: (context: AttemptContext) => Promise<End>,
  known?: { run: Run; first: string },
): Promise<Run | undefined> {
  const { config, logger, active } = deps
  const store = patientStore(deps.store)
  const holder = newId('holder', store.random)
  const begun = await patiently(() => beginAttempt(deps.store.runs, id, config.worker, holder, known))
  if (!begun.ok) return undefined
  const attempt = begun.value
  const secrets = hiddenValues(store, attempt.run.repo, config.registry)
  secrets.catch(() => {})
  const log = logger.child({ run: id, attempt: attempt.fence.attempt })
  const { retryPausesMs } = config
  const context: AttemptContext = { store, logger: log, attempt, secrets, retryPausesMs }
  active.add(attempt)
  try {
    await writeEnd(context, await workToEnd(context, work), config.worker)
  } finally {
    attempt.end()
    active.delete(attempt)
  }
  const after = await store.runs.read(id)
  if (!after) return undefined
  // A log that stays is found by the retention, a lost job is added again by the next pass.
  const handOn = isTerminal(after.state) ? deps.store.logs.expire(id) : dispatch(deps.store.queue, after)
  await handOn.catch((error) => logger.warn({ err: error, run: id }, 'left to a later pass'))
  return after
}

/** Works until the end, whatever that is; a fault outside any stage counts as one of the stage that would be next. */
async function workToEnd(context: AttemptContext, work: (context: AttemptContext) => Promise<End>): Promise<End> {
  const { attempt, logger } = context
  try {
    return await work(context).catch((error) => endOf(error, attempt.signal))
  } catch (error) {
    const secrets = await context.secrets.catch(() => [])
    logger.error({ err: hideError(secrets, error), run: attempt.run.id }, 'attempt met a fault')
    const reason = faultReason(error)
    const stage = attempt.run.stages.find(({ state }) => state === 'running' || state === 'pending')
    if (stage) await write(context, finishedBy(context, stageKey(stage), reason))
    return { end: 'refused', reason }
  }
}

/** Writes how an attempt ended, where its stages have not. */
async function writeEnd(context: AttemptContext, end: End, worker: string): Promise<void> {
  switch (end.end) {
    case 'done':
    case 'refused':
      return
    case 'parked':
      return write(context, { type: 'gate_closed', gate: end.gate })
    case 'handed_over':
      return write(context, { type: 'handed_over' })
    case 'superseded':
      return write(context, { type: 'superseded', by: end.by })
    case 'lost': {
      const event = await whyLost(context, worker)
      if (event) return write(context, event)
      return context.logger.info('another attempt has this run now')
    }
  }
}

/** What ended an attempt from outside; nothing if another attempt has the run by now. */
async function whyLost({ attempt, store }: AttemptContext, worker: string): Promise<RunEvent | undefined> {
  const { id, plan } = attempt.run
  switch (attempt.signal.reason) {
    case 'cancelled':
      return { type: 'cancelled', who: (await store.runs.read(id))?.cancelRequestedBy ?? 'a person' }
    case 'timeout':
      return { type: 'timed_out', seconds: (plan?.timeoutMs ?? 0) / 1000 }
    case 'superseded':
      return { type: 'superseded', by: (await store.runs.read(id))?.supersededBy ?? 'a newer run' }
    case 'drained':
      return { type: 'attempt_drained', worker }
    default:
      return undefined
  }
}

const write = async ({ attempt, store }: AttemptContext, event: RunEvent): Promise<void> =>
  void (await store.runs.move(attempt.run.id, event, attempt.fence))
