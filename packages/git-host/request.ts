import { oneLine } from '@taxiway/domain/reason.ts'
import type { StatusResult } from './git-host.ts'
import { pauseOf } from './pause.ts'

/** The most that is read of an answer, and the longest that is waited for one. */
const mostBytes = 64 * 1024
/** A commit tells its files, with patches. */
const mostJsonBytes = 8 * 2 ** 20
const deadlineMs = 30_000

/**
 * Posts JSON with the token to exactly this URL. A redirect is an error, never followed, so that the token goes nowhere else;
 * nor is it ever in a detail. Network trouble, 5xx and rate limits are `retry`, with the host's own pause where it names one.
 * Ends with the signal, and after 30 s at the latest.
 */
export async function postJson(
  url: string,
  body: object,
  token: string | undefined,
  signal: AbortSignal,
): Promise<StatusResult> {
  // What can't stand in a header is no token of any host, and fetch would print it.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) return { kind: 'unauthorized' }
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)])
  let response: Response
  try {
    response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      signal: deadline,
      headers: {
        accept: 'application/vnd.github+json',
        'content-type': 'application/json',
        'user-agent': 'taxiway',
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
      body: JSON.stringify(body),
    })
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause?.code
    return {
      kind: 'retry',
      detail: deadline.aborted ? 'no answer in time' : `no connection${cause ? ` (${cause})` : ''}`,
    }
  }
  const message = messageOf(await readSome(response))
  return judge(response, oneLine(token ? message.replaceAll(token, '***') : message, 200))
}

/** Reads JSON with the token from exactly this URL, under the same rules as `postJson`. `status` is absent when no answer came. */
export async function getJson(
  url: string,
  token: string | undefined,
  signal: AbortSignal,
): Promise<{ ok: true; value: unknown } | { ok: false; status?: number; detail: string }> {
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) return { ok: false, status: 401, detail: 'malformed token' }
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)])
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: deadline,
      headers: {
        accept: 'application/vnd.github+json',
        'user-agent': 'taxiway',
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
    })
    const text = await readSome(response, mostJsonBytes)
    const { status } = response
    if (status < 200 || status > 299) return { ok: false, status, detail: `it answered ${status}` }
    return { ok: true, value: JSON.parse(text) }
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause?.code
    if (error instanceof SyntaxError) return { ok: false, detail: 'its answer is no JSON' }
    return { ok: false, detail: deadline.aborted ? 'no answer in time' : `no connection${cause ? ` (${cause})` : ''}` }
  }
}

/** docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api: 403 and 429 may be limits, not refusals. */
function judge({ status, headers }: Response, said: string): StatusResult {
  if (status >= 200 && status < 300) return { kind: 'posted' }
  const detail = said ? `${status} ${said}` : String(status)
  const pauseMs = pauseOf(headers, Date.now())
  const isLimit = status === 429 || (status === 403 && (pauseMs !== undefined || /rate limit/i.test(said)))
  const afterMs = pauseMs ?? (isLimit ? 60_000 : undefined)
  if (isLimit || status === 408 || status >= 500)
    return { kind: 'retry', detail, ...(afterMs === undefined ? {} : { afterMs }) }
  if (status === 401 || status === 403) return { kind: 'unauthorized' }
  const isRedirect = status >= 300 && status < 400
  return {
    kind: 'refused',
    httpStatus: status,
    detail: isRedirect ? `${status}, it redirects to another place` : detail,
  }
}

/** The sentence in an error's JSON body, or nothing. */
function messageOf(answer: string): string {
  try {
    const message: unknown = JSON.parse(answer)?.message
    return typeof message === 'string' ? message : ''
  } catch {
    return ''
  }
}

/** The beginning of the body, as far as it came. */
async function readSome(response: Response, most = mostBytes): Promise<string> {
  const parts: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const part of response.body ?? []) {
      parts.push(part)
      bytes += part.length
      if (bytes >= most) break
    }
  } catch {
    // The status line is what counts; a body that breaks off only costs the sentence in it.
  }
  return Buffer.concat(parts).toString('utf8', 0, most)
}
