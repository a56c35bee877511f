import type { Gate } from '@taxiway/domain/environment/gate.ts'
import { isInfrastructure, type Outcome, type Reason, reason } from '@taxiway/domain/reason.ts'
import type { RunEvent } from '@taxiway/domain/run/event.ts'
import { hideInEvent, hideReason } from '@taxiway/domain/run/hide-event.ts'
import { findStage, type Run, stageKey } from '@taxiway/domain/run/run.ts'
import { hideError, hideSecrets } from '@taxiway/domain/secrets/mask.ts'
import { Unreadable } from '@taxiway/store/access/secrets.ts'
import { patiently } from '@taxiway/store/redis/connection.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { Attempt } from './attempts.ts'
import { makeStageLog, type StageLog } from './stage-log.ts'

/** What a stage works with. */
export interface StageContext {
  run: Run
  log: StageLog
  signal: AbortSignal
  /** A reason without what it quotes of secrets, for what is kept elsewhere. */
  hide(why: Reason): Reason
  /** Text without what it quotes of secrets. */
  hideText(text: string): string
  /** Writes an event of this run, as long as the attempt is ours. */
  record(event: RunEvent): Promise<void>
}
/** What all stages of an attempt share. */
export interface AttemptContext {
  store: Store
  logger: { error(details: object, message: string): void; info(message: string): void }
  attempt: Attempt
  /** Values that no log may show; on their way while the first stage starts. */
  secrets: Promise<readonly string[]>
}
/** The run was taken away from this attempt; whatever it still wanted to write is refused. */
export class Fenced extends Error {}
/** A newer run took this one's place. */
export class Superseded extends Error {
  readonly by: string
  constructor(by: string) {
    super(`superseded by ${by}`)
    this.by = by
  }
}

/** A gate closed before the work could begin: the run is given back, and waits there. */
export class Gated extends Error {
  readonly gate: Gate
  constructor(gate: Gate) {
    super(gate.message)
    this.gate = gate
  }
}

const keepBytes = 8 * 2 ** 20
const tailBytes = 64 * 2 ** 10
/** Pieces of log that this process has written: each has its number. */
let appended = 0

/** Writes an event under the attempt's fence. @throws Fenced when the attempt is over */
export async function record(context: AttemptContext, event: RunEvent): Promise<void> {
  const { attempt, store } = context
  const shown = hideInEvent(await context.secrets, event)
  const moved = await patiently(() => store.runs.move(attempt.run.id, shown, attempt.fence, attempt.run))
  if (!moved.ok) {
    attempt.abort('fenced')
    throw new Fenced(moved.reason.message)
  }
  if (moved.value.version > attempt.run.version) attempt.run = moved.value
}

/**
 * Runs one stage: tells that it began, streams its log, tells how it ended. Three ways out: a value, a refusal with its
 * reason, or a fault, which ends as `unknown_error` or by its own name, and is tried once more. A stage that an earlier attempt finished may
 * run again for what it leaves on this machine; its verdict stands.
 */
export async function runStage<T>(
  context: AttemptContext,
  key: string,
  work: (stage: StageContext) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  const { attempt, logger } = context
  const before = findStage(attempt.run, key)?.state
  const isRepeated = before === 'succeeded'
  // The first stage may have begun with the attempt.
  if (!isRepeated && before !== 'running') await record(context, { type: 'stage_started', stage: key })
  const secrets = await context.secrets
  const log = openLog(context, key, secrets)
  const startedMs = performance.now()
  const stage: StageContext = {
    run: attempt.run,
    log,
    signal: attempt.signal,
    hide: (why) => hideReason(secrets, why),
    hideText: (text) => hideSecrets(secrets, text),
    record: (event) => record(context, event),
  }
  const found = await work(stage).catch(async (error: unknown): Promise<Outcome<T>> => {
    await log.end()
    if (error instanceof Fenced || error instanceof Superseded || error instanceof Gated || attempt.signal.aborted)
      throw error
    logger.error({ err: hideError(secrets, error), run: attempt.run.id, stage: key }, 'stage met a fault')
    return { ok: false, reason: faultReason(error) }
  })
  // What a reason quotes from a log or an answer shows no secret either.
  const outcome: Outcome<T> = found.ok ? found : { ok: false, reason: hideReason(secrets, found.reason) }
  if (!outcome.ok) log.say(`✗ ${outcome.reason.message} [${outcome.reason.code}]`)
  else if (!isRepeated) log.say(`✓ ${key} took ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  await log.end()
  attempt.signal.throwIfAborted()
  if (!outcome.ok) {
    const state = isInfrastructure(outcome.reason.code) ? 'errored' : 'failed'
    await record(context, { type: 'stage_finished', stage: key, state, reason: outcome.reason })
  } else if (!isRepeated) await record(context, { type: 'stage_finished', stage: key, state: 'succeeded' })
  return outcome
}

function openLog({ store, attempt }: AttemptContext, key: string, secrets: readonly string[]): StageLog {
  const append = async (text: string) => {
    const number = ++appended
    const isOurs = await patiently(() => store.logs.append(attempt.run.id, attempt.fence, key, text, number))
    if (!isOurs) attempt.abort('fenced')
  }
  return makeStageLog({ append, secrets, keepBytes, tailBytes })
}

/** Writes what ended an attempt from outside: a newer run, a wish to cancel, a shutdown, or another attempt that has the run by now. */
export async function closeAborted(context: AttemptContext, error: unknown, worker: string): Promise<void> {
  const { attempt, store, logger } = context
  const end = async (event: RunEvent) =>
    void (await patiently(() => store.runs.move(attempt.run.id, event, attempt.fence)))
  if (error instanceof Gated && !attempt.signal.aborted) return end({ type: 'gate_closed', gate: error.gate })
  if (error instanceof Superseded) return end({ type: 'superseded', by: error.by })
  if (attempt.signal.reason === 'cancelled')
    return end({ type: 'cancelled', who: (await store.runs.read(attempt.run.id))?.cancelRequestedBy ?? 'a person' })
  if (attempt.signal.reason === 'timeout')
    return end({ type: 'timed_out', seconds: (attempt.run.plan?.timeoutMs ?? 0) / 1000 })
  if (attempt.signal.reason === 'superseded')
    return end({ type: 'superseded', by: (await store.runs.read(attempt.run.id))?.supersededBy ?? 'a newer run' })
  if (attempt.signal.reason === 'drained') return end({ type: 'attempt_drained', worker })
  if (error instanceof Fenced || attempt.signal.aborted) return logger.info('another attempt has this run now')
  const secrets = await context.secrets.catch(() => [])
  logger.error({ err: hideError(secrets, error), run: attempt.run.id }, 'attempt met a fault')
  // A fault outside any stage counts as one of the stage that would be next.
  const stage = attempt.run.stages.find(({ state }) => state === 'running' || state === 'pending')
  if (stage) await end({ type: 'stage_finished', stage: stageKey(stage), state: 'errored', reason: faultReason(error) })
}

/** What a fault on our side is told as: what people can do something about, by its name. */
function faultReason(error: unknown): Reason {
  if (error instanceof Unreadable) return reason('secrets_unreadable')
  if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return reason('disk_full', { where: 'the worker' })
  return reason('unknown_error')
}
