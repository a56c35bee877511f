import type { Outcome, Reason, ReasonCode } from '@taxiway/domain/reason.ts'
import { reason, reasonCodes } from '@taxiway/domain/reason.ts'
import { Unreadable } from '@taxiway/store/access/secrets.ts'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { BodiesFull } from './bodies.ts'

/** The body of every error. */
export const ErrorBody = Type.Object(
  { error: Type.Object({ code: Type.String({ enum: reasonCodes }), message: Type.String() }) },
  { $id: 'Error' },
)

const statuses: Partial<Record<ReasonCode, number>> = {
  signature_invalid: 401,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  host_unknown: 404,
  artifact_elsewhere: 404,
  request_timeout: 408,
  not_allowed_for_ref: 403,
  release_not_found: 404,
  repository_exists: 409,
  cluster_in_use: 409,
  cluster_unusable: 409,
  changes_waiting: 409,
  run_not_cancellable: 409,
  run_not_finished: 409,
  run_not_waiting: 409,
  run_not_published: 409,
  release_not_healthy: 409,
  release_unreadable: 409,
  no_earlier_release: 409,
  nothing_live: 409,
  after_not_live: 409,
  artifact_expired: 410,
  body_too_large: 413,
  content_type_unsupported: 415,
  content_encoding_unsupported: 415,
  rate_limited: 429,
  secrets_unreadable: 500,
  unknown_error: 500,
  redis_unavailable: 503,
  cluster_unchecked: 503,
  queue_full: 503,
  machine_busy: 503,
  bodies_full: 503,
}

/** Answers a refusal: the status of its code (400 when it has none of its own), and when to come back where that helps. */
export function sendReason(reply: FastifyReply, why: Reason): FastifyReply {
  const status = statuses[why.code] ?? 400
  if (status === 503 || status === 429) reply.header('retry-after', '5')
  return reply.code(status).type('application/json').send({ error: why })
}

/** Answers an outcome: its value, or why not. */
export const sendOutcome = <T>(reply: FastifyReply, outcome: Outcome<T>, status = 200): FastifyReply =>
  outcome.ok ? reply.code(status).send(outcome.value) : sendReason(reply, outcome.reason)

/** What an error thrown by the framework, a library or Redis means to the caller. Unexpected ones are logged, never shown. */
export function reasonOf(
  error: FastifyError,
  request: FastifyRequest,
  redisFault: (error: unknown) => Outcome<never>,
): Reason {
  if (error instanceof BodiesFull) return reason('bodies_full')
  if (error instanceof Unreadable) return reason('secrets_unreadable')
  if (error.validation) return reason('input_invalid', { detail: error.message })
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return reason('body_too_large', { limitMb: (request.routeOptions.bodyLimit ?? 0) / 2 ** 20 })
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE')
    return reason('content_type_unsupported', { type: request.headers['content-type'] ?? 'none' })
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
    return reason('body_invalid', { detail: error.message })
  try {
    const fault = redisFault(error)
    if (!fault.ok) return fault.reason
  } catch {
    request.log.error({ err: error }, 'unexpected error')
  }
  return reason('unknown_error')
}
