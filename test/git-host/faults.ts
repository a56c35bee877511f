import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

/** How the host misbehaves: late, with an error, by never answering (`silent`), or by an answer that is lost once all is done (`lost`). */
export interface Fault {
  mode: 'ok' | 'slow' | '500' | '429' | 'silent' | 'lost' | '401' | '422' | '404'
  /** How late a slow answer comes, in ms; 1000 unless given. */
  delayMs?: number
  /** What `Retry-After` says with a 429, in seconds; 1 unless given. */
  retryAfterS?: number
  /** Only these; requests to the API and to git unless given. Webhooks (`hooks`) are late when `slow`, else never sent. */
  only?: 'api' | 'git' | 'hooks'
}

/** Plays the fault on one webhook, before it is sent. @throws when it must not be sent */
export async function playHookFault({ mode, only, delayMs = 1000 }: Fault, signal: AbortSignal): Promise<void> {
  if (mode === 'ok' || only !== 'hooks') return
  if (mode !== 'slow') throw new Error('the git host lost it')
  await sleep(delayMs, undefined, { signal })
}

const messages = {
  '500': 'Server Error',
  '429': 'You have exceeded a secondary rate limit.',
  '401': 'Bad credentials',
  '422': 'Validation Failed',
  '404': 'Not Found',
}

/** Plays the fault on one request. @returns whether the request is answered, or never will be */
export async function playFault(fault: Fault, kind: 'api' | 'git', response: ServerResponse): Promise<boolean> {
  if (fault.mode === 'ok' || (fault.only && fault.only !== kind)) return false
  if (fault.mode === 'silent') return true
  if (fault.mode === 'lost') {
    response.end = () => response.destroy()
    return false
  }
  if (fault.mode === 'slow') {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    await sleep(fault.delayMs ?? 1000, undefined, { signal: gone.signal }).catch(() => undefined)
    return gone.signal.aborted
  }
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (fault.mode === '429') headers['retry-after'] = String(fault.retryAfterS ?? 1)
  if (fault.mode === '401' && kind === 'git') headers['www-authenticate'] = 'Basic realm="git"'
  response
    .writeHead(Number(fault.mode), headers)
    .end(JSON.stringify({ message: messages[fault.mode], status: fault.mode }))
  return true
}
