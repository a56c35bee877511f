import { isInfrastructure } from '@taxiway/domain/fault.ts'
import { type Outcome, type Reason, reason } from '@taxiway/domain/reason.ts'
import type { RunEvent } from '@taxiway/domain/run/event.ts'
import { hideInEvent, hideReason } from '@taxiway/domain/run/hide-event.ts'
import { retryPauseMs } from '@taxiway/domain/run/retry.ts'
import { findStage, type Run } from '@taxiway/domain/run/run.ts'
import { hideError, hideSecrets, type Mask, makeMask } from '@taxiway/domain/secrets/mask.ts'
import { Unreadable } from '@taxiway/store/access/secrets.ts'
import { isOfRedis } from '@taxiway/store/redis/connection.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { Attempt } from './attempts.ts'
import { type End, endOf, Left } from './end.ts'
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
  /** The same for text that comes in pieces. */
  mask(): Mask
  /** Writes an event of this run, as long as the attempt is ours. */
  record(event: RunEvent): Promise<void>
}
/** What all stages of an attempt share. */
export interface AttemptContext {
  /** Waits for Redis to come back. */
  store: Store
  logger: { error(details: object, message: string): void; info(message: string): void }
  attempt: Attempt
  /** Pauses before what the infrastructure did is tried again, in ms. */
  retryPausesMs: readonly number[]
  /** Values that no log may show; on their way while the first stage starts. */
  secrets: Promise<readonly string[]>
}
const keepBytes = 8 * 2 ** 20
const tailBytes = 64 * 2 ** 10
/** Pieces of log that this process has written: each has its number. */
let appended = 0

/** Writes an event under the attempt's fence. @throws Left when the attempt is over */
export async function record(context: AttemptContext, event: RunEvent): Promise<void> {
  const { attempt, store } = context
  const shown = hideInEvent(await context.secrets, event)
  const moved = await store.runs.move(attempt.run.id, shown, attempt.fence, attempt.run)
  if (!moved.ok) {
    attempt.abort('fenced')
    throw new Left({ end: 'lost' })
  }
  if (moved.value.version > attempt.run.version) attempt.run = moved.value
}

/**
 * Runs one stage: tells that it began, streams its log, tells how it ended. What the work refuses has a reason, and so has a
 * fault, which ends as `unknown_error` or by its own name. What the infrastructure did is tried again (`retryPauseMs`). A stage that an earlier attempt finished may
 * run again for what it leaves on this machine; its verdict stands.
 */
export async function runStage<T>(
  context: AttemptContext,
  key: string,
  work: (stage: StageContext) => Promise<Outcome<T>>,
): Promise<End<T>> {
  const { attempt } = context
  try {
    const before = findStage(attempt.run, key)?.state
    const isRepeated = before === 'succeeded'
    // The first stage may have begun with the attempt.
    if (!isRepeated && before !== 'running') await record(context, { type: 'stage_started', stage: key })
    const outcome = await withLog(context, key, isRepeated, work)
    attempt.signal.throwIfAborted()
    if (!outcome.ok) {
      await record(context, finishedBy(context, key, outcome.reason))
      return { end: 'refused', reason: outcome.reason }
    }
    if (!isRepeated) await record(context, { type: 'stage_finished', stage: key, state: 'succeeded' })
    return { end: 'done', value: outcome.value }
  } catch (error) {
    return endOf(error, attempt.signal)
  }
}

/** How a stage ends that was refused or met a fault: for good, or to be tried again. */
export function finishedBy(
  { attempt, store, retryPausesMs }: Pick<AttemptContext, 'attempt' | 'store' | 'retryPausesMs'>,
  key: string,
  { code, message, more, retryAfterMs }: Reason,
): RunEvent {
  const state = isInfrastructure(code) ? 'errored' : 'failed'
  const retries = findStage(attempt.run, key)?.retries ?? 0
  const pauseMs = retryPauseMs({ code, message, ...(retryAfterMs ? { retryAfterMs } : {}) }, retries, retryPausesMs)
  const retryAt = pauseMs === undefined ? {} : { retryAt: new Date(store.now().getTime() + pauseMs).toISOString() }
  return { type: 'stage_finished', stage: key, state, reason: { code, message, ...(more ? { more } : {}) }, ...retryAt }
}

/** Does the work with a log of its own, which ends with what came of it. */
async function withLog<T>(
  context: AttemptContext,
  key: string,
  isRepeated: boolean,
  work: (stage: StageContext) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  const { attempt, logger } = context
  const secrets = await context.secrets
  const log = openLog(context, key, secrets)
  const startedMs = performance.now()
  const stage: StageContext = {
    run: attempt.run,
    log,
    signal: attempt.signal,
    hide: (why) => hideReason(secrets, why),
    hideText: (text) => hideSecrets(secrets, text),
    mask: () => makeMask(secrets),
    record: (event) => record(context, event),
  }
  const found = await work(stage).catch(async (error: unknown): Promise<Outcome<T>> => {
    await log.end()
    if (error instanceof Left || attempt.signal.aborted) throw error
    logger.error({ err: hideError(secrets, error), run: attempt.run.id, stage: key }, 'stage met a fault')
    return { ok: false, reason: faultReason(error) }
  })
  // What a reason quotes from a log or an answer shows no secret either.
  const outcome: Outcome<T> = found.ok ? found : { ok: false, reason: hideReason(secrets, found.reason) }
  if (!outcome.ok) {
    const { more = [], ...first } = outcome.reason
    for (const { code, message } of [first, ...more]) log.say(`✗ ${message} [${code}]`)
    const end = finishedBy(context, key, outcome.reason)
    if (end.type === 'stage_finished' && end.retryAt) log.say(`tried again at ${end.retryAt}`)
  }
  if (outcome.ok && !isRepeated) log.say(`✓ ${key} took ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  await log.end()
  return outcome
}

function openLog({ store, attempt }: AttemptContext, key: string, secrets: readonly string[]): StageLog {
  const append = async (text: string) => {
    const number = ++appended
    const isOurs = await store.logs.append(attempt.run.id, attempt.fence, key, text, number)
    if (!isOurs) attempt.abort('fenced')
  }
  return makeStageLog({ append, secrets, keepBytes, tailBytes })
}

/** What a fault on our side is told as: what people can do something about, by its name. */
export function faultReason(error: unknown): Reason {
  if (error instanceof Unreadable) return reason('secrets_unreadable')
  if (isOfRedis(error)) return reason('redis_unavailable')
  if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return reason('disk_full', { where: 'the worker' })
  return reason('unknown_error')
}
