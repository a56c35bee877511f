import { type IncomingMessage, request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import { isIPv6, type LookupFunction } from 'node:net'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { retryAfterMs } from '@taxiway/domain/retry-after.ts'
import { checkCloneUrl, type UrlRules } from '../url.ts'

/** Where a request may go, and what goes with it. */
export interface LfsRequest {
  url: URL
  method: 'GET' | 'POST'
  headers: Record<string, string>
  body?: string
}
/** The git host, and what is allowed beside it. */
export interface LfsPlace extends UrlRules {
  /** The repository's own URL, which was allowed. */
  host: URL
  token?: string
  signal: AbortSignal
}

const idleMs = 60_000
const mostRedirects = 3

/**
 * Asks, and follows a few redirects. Nothing but the git host itself may be at a private address; what was checked is what is connected to. Our
 * credentials go to the git host's own origin; to other places go the headers that the host named for them, and to those of a redirect none.
 * @returns refused with url_not_allowed, git_unavailable or git_auth_failed; other answers below 500 are the caller's affair
 */
export async function ask(order: LfsRequest, place: LfsPlace): Promise<Outcome<IncomingMessage>> {
  let { url, headers } = order
  let isDirect = true
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const addresses = await addressesFor(url, place)
    if (!addresses.ok) return addresses
    const isOurs = isDirect && url.origin === place.host.origin
    const own = isOurs && !('authorization' in headers) ? credentials(place) : {}
    let answer: IncomingMessage
    try {
      answer = await send({ ...order, url, headers: { ...headers, ...own } }, addresses.value, place.signal)
    } catch (error) {
      place.signal.throwIfAborted()
      return away(url, (error as NodeJS.ErrnoException).code ?? 'no answer')
    }
    const { statusCode = 0, headers: told } = answer
    if (statusCode < 300 || statusCode > 399) return judge(url, answer, isOurs)
    answer.destroy()
    if (order.method !== 'GET') return refuse('git_redirected', { host: url.host })
    const next = URL.parse(told.location ?? '', url.href)
    if (!next) return away(url, `it answered ${statusCode}`)
    if (next.origin !== url.origin) {
      headers = {}
      isDirect = false
    }
    url = next
  }
  return away(url, 'it redirects without end')
}

const credentials = ({ token }: LfsPlace): Record<string, string> =>
  token ? { authorization: `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}` } : {}

/** What it may be connected to by; nothing said: what its name says. */
async function addressesFor(url: URL, place: LfsPlace): Promise<Outcome<string[] | undefined>> {
  if (!/^https?:$/.test(url.protocol) || url.username || url.password)
    return refuse('url_not_allowed', { detail: 'Git LFS leads to what is no plain https URL' })
  const { host, allowedOrigins } = place
  if (allowedOrigins.includes(host.origin) && url.hostname === host.hostname) return done(undefined)
  const checked = await checkCloneUrl(`${url.origin}/`, place)
  if (!checked.ok) return checked
  const pinned = checked.value.pin?.split(':').slice(2).join(':')
  return done(pinned?.split(',').map((address) => address.replace(/^\[|\]$/g, '')))
}

function send(
  { url, method, headers, body }: LfsRequest,
  addresses: string[] | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const pinned = addresses?.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
  const [first] = pinned ?? []
  const lookup: LookupFunction = (_name, { all }, answer) =>
    all || !first ? answer(null, pinned ?? []) : answer(null, first.address, first.family)
  const request = (url.protocol === 'https:' ? secureRequest : plainRequest)(url, {
    method,
    signal,
    headers: { 'user-agent': 'taxiway', ...headers, ...(body ? { 'content-length': Buffer.byteLength(body) } : {}) },
    ...(pinned && first ? { lookup } : {}),
  })
  request.setTimeout(idleMs, () => request.destroy(new Error('silent')))
  return new Promise((resolve, reject) => {
    request.once('response', resolve)
    request.on('error', reject)
    request.end(body)
  })
}

function judge(url: URL, answer: IncomingMessage, isOurs: boolean): Outcome<IncomingMessage> {
  const { statusCode = 0, headers } = answer
  const isRefusal = statusCode === 401 || statusCode === 403
  const isLimit = statusCode === 408 || statusCode === 429 || statusCode >= 500
  if (!isLimit && !isRefusal) return done(answer)
  answer.destroy()
  if (isRefusal && isOurs) return refuse('git_auth_failed', { host: url.host })
  const afterMs = retryAfterMs(headers['retry-after'] ?? '', Date.now())
  return away(url, `Git LFS answered ${statusCode}`, afterMs)
}

/** The other side is at fault, maybe for a while. */
export function away(url: URL, detail: string, afterMs?: number): Outcome<never> {
  const refused = refuse('git_unavailable', { host: url.host, detail })
  return afterMs === undefined ? refused : { ok: false, reason: { ...refused.reason, retryAfterMs: afterMs } }
}
