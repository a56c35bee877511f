import { type Digest, parseDigest } from '@taxiway/domain/ids.ts'
import { done, type Outcome, oneLine, refuse } from '@taxiway/domain/reason.ts'
import type { RegistryAuth } from '@taxiway/registry/call.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import {
  callBack,
  callDeadlineMs,
  type Engine,
  engineFault,
  engineMessage,
  hasStatus,
  pause,
  stream,
  within,
} from '../engine/engine.ts'
import { readEvents } from '../engine/events.ts'
import { authHeader, isAuthFailure, removeImage } from './image.ts'
import { registryAway } from './registry-failure.ts'

/** What is pushed where. */
export interface PushOrder {
  /** Id or local name of the image. */
  imageId: string
  /** host/prefix/name */
  repository: string
  tag: string
  auth?: RegistryAuth
  signal: AbortSignal
  /** For all tries together. */
  deadlineMs: number
  onLine?(text: string): void | Promise<void>
  /** Keep the name `repository:tag` in the engine; it is removed without this. */
  keepLocalTag?: boolean
}

const tries = 3
const firstDelayMs = 500

/**
 * Pushes an image and returns the digest the registry knows it by. A registry that does not answer is tried three times
 * with growing delays, without a new build; one that answers 5xx is tried five times by the engine itself, within 50 s.
 * Then `registry_unavailable`. Refused credentials are `registry_auth_failed` at once. Pushing the same image again is
 * harmless and gives the same digest.
 */
export async function pushImage(engine: Engine, order: PushOrder): Promise<Outcome<{ digest: Digest }>> {
  const name = `${order.repository}:${order.tag}`
  const registry = parseImageReference(name)?.registry
  if (registry === undefined) return refuse('input_invalid', { detail: `${name} is not an image reference` })
  const deadline = AbortSignal.timeout(order.deadlineMs)
  const signal = AbortSignal.any([order.signal, deadline])
  try {
    const [repo, tag] = [order.repository, order.tag]
    await within(callDeadlineMs, signal, () => engine.docker.getImage(order.imageId).tag({ repo, tag }))
    return await tryPush(engine, order, registry, signal)
  } catch (error) {
    order.signal.throwIfAborted()
    if (deadline.aborted)
      return refuse('registry_unavailable', {
        registry,
        detail: `not done within ${Math.round(order.deadlineMs / 1000)} s`,
      })
    if (hasStatus(error, 404)) return refuse('image_not_found', { image: order.imageId })
    const reason = engineFault(error, { midWork: true })
    if (reason) return { ok: false, reason }
    throw error
  } finally {
    if (!order.keepLocalTag) await removeImage(engine, name).catch(() => undefined)
  }
}

async function tryPush(
  engine: Engine,
  order: PushOrder,
  registry: string,
  signal: AbortSignal,
): Promise<Outcome<{ digest: Digest }>> {
  for (let attempt = 1; ; attempt++) {
    const pushed = await pushOnce(engine, order, registry, signal)
    if ('digest' in pushed) return done({ digest: pushed.digest })
    if (isAuthFailure(pushed.failure))
      return refuse('registry_auth_failed', { registry, image: `${order.repository}:${order.tag}` })
    const fault = engineFault(new Error(pushed.failure), { midWork: true })
    if (fault?.code === 'disk_full') return { ok: false, reason: fault }
    const detail = oneLine(pushed.failure, 300).replace(/\.$/, '')
    const away = registryAway(pushed.failure, registry)
    // One that says when is not asked before.
    if (attempt >= tries || pushed.isTriedAgain || away.retryAfterMs) return { ok: false, reason: away }
    await tell(order, `push failed, trying again: ${detail}`)
    await pause(firstDelayMs * 2 ** attempt * (0.5 + Math.random() / 2), signal)
  }
}

const tell = (order: PushOrder, text: string) => callBack(() => order.onLine?.(text))

async function pushOnce(
  engine: Engine,
  order: PushOrder,
  registry: string,
  signal: AbortSignal,
): Promise<{ digest: Digest } | { failure: string; isTriedAgain?: boolean }> {
  const path = `/images/${order.repository}/push?tag=${encodeURIComponent(order.tag)}`
  // The engine wants the header, if an empty one.
  const auth = { authconfig: {}, ...authHeader(order.auth, registry) }
  let digest: Digest | undefined
  /** Layer -> seconds that the engine last said it waits before its own next try; it counts them down one by one. */
  const waits = new Map<string | undefined, number>()
  try {
    const answer = await stream(engine, { method: 'POST', path, ...auth }, signal)
    for await (const event of readEvents(answer)) {
      if (event.error !== undefined) {
        const failure = event.errorDetail?.message ?? event.error
        return { failure, isTriedAgain: waits.size > 0 }
      }
      const seconds = Number(/^Retrying in (\d+) second/.exec(event.status ?? '')?.[1] ?? 0)
      const isCounting = seconds > 0 && seconds < (waits.get(event.id) ?? 0)
      if (seconds > 0) waits.set(event.id, seconds)
      if (typeof event.aux === 'object') digest = parseDigest(event.aux.Digest ?? '') ?? digest
      if (event.status && !isCounting && !/^(Pushing|Preparing|Waiting)$/.test(event.status))
        await tell(order, event.id ? `${event.id}: ${event.status}` : event.status)
    }
  } catch (error) {
    signal.throwIfAborted()
    if (hasStatus(error, 400, 401, 403, 500)) return { failure: engineMessage(error) }
    throw error
  }
  return digest ? { digest } : { failure: 'the engine named no digest' }
}
