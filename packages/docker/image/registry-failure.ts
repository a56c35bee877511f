import { oneLine, type Reason, reason } from '@taxiway/domain/reason.ts'
import { retryAfterIn } from '@taxiway/domain/retry-after.ts'

/** Docker Hub says "denied" and "insufficient_scope" of what does not exist as well; that comes with "does not exist" or with what was asked for. */
const isMissing =
  /\bnot found\b|manifest unknown|name unknown|no such (image|manifest)|does not exist|pull access denied|insufficient_scope|\b404\b/i
const isRefused =
  /\b401\b|\b403\b|unauthorized|authentication required|no basic auth credentials|denied|forbidden|failed to authorize|incorrect username/i
/** A status of RFC 9110 with its words, or what Go says of a connection that came to nothing. */
const isAway =
  /\b(408|425|429|5\d\d)\s+[A-Z]|toomanyrequests|dial tcp|no such host|connection (refused|reset)|i\/o timeout|timeout exceeded|deadline exceeded|TLS handshake|\bEOF\b|server misbehaving|unreachable|no route to host|x509:|HTTP response to HTTPS client/i

/** A registry that can't say right now, in its words; when it shall be asked again only these tell, as an engine keeps the headers to itself. */
export function registryAway(message: string, registry: string): Reason {
  const afterMs = retryAfterIn(message)
  return {
    ...reason('registry_unavailable', { registry, detail: oneLine(message, 300).replace(/\.$/, '') }),
    ...(afterMs ? { retryAfterMs: afterMs } : {}),
  }
}

/**
 * What a registry's words mean for whoever needs an image of it, as an engine or builder passes them on: it is not there, we may
 * not have it, or the registry can't say right now. Undefined when they are about something else.
 */
export function registryFailure(message: string, image: string, registry: string): Reason | undefined {
  // Names may be any words.
  const said = message.replaceAll(image, '').replaceAll(/"[^"\n]*"/g, '""')
  if (isAway.test(said)) return registryAway(message, registry)
  if (isMissing.test(said)) return reason('image_not_found', { image, registry })
  return isRefused.test(said) ? reason('registry_auth_failed', { registry, image }) : undefined
}
