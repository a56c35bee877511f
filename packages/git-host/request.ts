import { oneLine } from '@taxiway/domain/reason.ts'
import type { StatusResult } from './git-host.ts'

const mostBytes = 64 * 1024

/**
 * Posts JSON with the token to exactly this URL. A redirect is an error, never followed, so that the token goes nowhere else.
 * Network trouble, 5xx and rate limits are `retry`, with the host's own pause where it names one.
 */
export async function postJson(
  url: string,
  body: object,
  token: string | undefined,
  signal: AbortSignal,
): Promise<StatusResult> {
  let response: Response
  try {
    response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      signal,
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
      detail: signal.aborted ? 'no answer in time' : `no connection${cause ? ` (${cause})` : ''}`,
    }
  }
  const answer = await readSome(response).catch(() => '')
  return judge(response, answer)
}

function judge(response: Response, answer: string): StatusResult {
  const { status } = response
  if (status >= 200 && status < 300) return { kind: 'posted' }
  const detail = `${status}${messageOf(answer)}`
  const afterMs = pauseOf(response.headers)
  // docs.github.com/rest/using-the-rest-api/rate-limits: 403 and 429 with these headers are limits, not refusals.
  if (status === 429 || status >= 500 || (status === 403 && afterMs !== undefined))
    return { kind: 'retry', detail, ...(afterMs === undefined ? {} : { afterMs }) }
  if (status === 401 || status === 403) return { kind: 'unauthorized' }
  return {
    kind: 'refused',
    detail: status >= 300 && status < 400 ? `${status}, it redirects to another place` : detail,
  }
}

/** The pause the host asks for: Retry-After (RFC 9110, 10.2.3) or the reset of an exhausted limit. */
function pauseOf(headers: Headers): number | undefined {
  const after = headers.get('retry-after')
  if (after) {
    const ms = /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.now()
    if (Number.isFinite(ms)) return Math.min(Math.max(ms, 0), 3_600_000)
  }
  if (headers.get('x-ratelimit-remaining') === '0') {
    const ms = Number(headers.get('x-ratelimit-reset')) * 1000 - Date.now()
    if (Number.isFinite(ms)) return Math.min(Math.max(ms, 1000), 3_600_000)
  }
  return undefined
}

function messageOf(answer: string): string {
  try {
    const { message } = JSON.parse(answer) as { message?: unknown }
    return typeof message === 'string' ? ` ${oneLine(message, 200)}` : ''
  } catch {
    return ''
  }
}

async function readSome(response: Response): Promise<string> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    if (text.length > mostBytes) break
  }
  return text
}
