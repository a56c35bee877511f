import type { Outcome, Reason } from '@taxiway/domain/reason.ts'
import { factsOf, reason, reasonCodes } from '@taxiway/domain/reason.ts'
import { Unreadable } from '@taxiway/store/access/secrets.ts'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { BodiesFull } from './bodies.ts'

/** The body of every error. */
export const ErrorBody = Type.Object(
  { error: Type.Object({ code: Type.String({ enum: reasonCodes }), message: Type.String() }) },
  { $id: 'Error' },
)

/** Answers a refusal: the status of its code, and when to come back where that helps. */
export function sendReason(reply: FastifyReply, why: Reason): FastifyReply {
  const { status } = factsOf(why.code)
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
