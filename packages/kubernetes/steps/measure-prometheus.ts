import { setTimeout as sleep } from 'node:timers/promises'
import type { Measure } from '@taxiway/domain/plan/strategy.ts'
import { done, type Outcome, oneLine, refuse } from '@taxiway/domain/reason.ts'

type PrometheusMeasure = Extract<Measure, { kind: 'prometheus' }>

const answerMs = 10_000
const mostBytes = 1024 * 1024
const tries = 3
const retryMs = 1_000
const queryShown = 100

/** May this server be asked? Only what the configuration lists: its address comes from the repository. */
export function checkPrometheus({ url }: PrometheusMeasure, allowedOrigins: readonly string[]): Outcome<URL> {
  const no = (detail: string) => refuse('url_not_allowed', { detail })
  if (!URL.canParse(url)) return no('the address of the Prometheus server is not a URL')
  const parsed = new URL(url)
  if (parsed.username || parsed.password) return no('it has credentials in it')
  if (parsed.search || parsed.hash) return no('it has a query or a fragment')
  return allowedOrigins.includes(parsed.origin)
    ? done(parsed)
    : no(`the Prometheus server ${parsed.origin} is not among the allowed origins`)
}

/**
 * Asks the query now. What is wrong with its value is told, as is that there is none; undefined when it is as wanted.
 * Refuses an address that is not allowed.
 */
export async function measurePrometheus(
  measure: PrometheusMeasure,
  allowedOrigins: readonly string[],
  signal: AbortSignal,
): Promise<Outcome<string | undefined>> {
  const checked = checkPrometheus(measure, allowedOrigins)
  if (!checked.ok) return checked
  const url = new URL(checked.value)
  url.pathname = `${url.pathname.replace(/\/$/, '')}/api/v1/query`
  url.searchParams.set('query', measure.query)
  const shown = oneLine(measure.query, queryShown)
  for (let at = 1; ; at++) {
    const answer = await ask(url, signal)
    signal.throwIfAborted()
    if ('value' in answer) return done(judge(answer.value, shown, measure))
    if (at === tries || !answer.isPassing) return done(`${shown} could not be asked: ${answer.detail}`)
    await sleep(retryMs, undefined, { signal })
  }
}

function judge(value: number | undefined, shown: string, { min, max }: PrometheusMeasure): string | undefined {
  if (value === undefined) return `${shown} has no value`
  // NaN is neither less nor more than anything, and no pass.
  if (min !== undefined && !(value >= min)) return `${shown} is ${value}, at least ${min} wanted`
  if (max !== undefined && !(value <= max)) return `${shown} is ${value}, at most ${max} wanted`
  return undefined
}

type Answer = { value: number | undefined } | { detail: string; isPassing: boolean }

async function ask(url: URL, signal: AbortSignal): Promise<Answer> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(answerMs)])
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: deadline,
      headers: { accept: 'application/json', 'user-agent': 'taxiway' },
    })
    const text = await readSome(response)
    const { status } = response
    if (text === undefined) return { detail: 'its answer is too large', isPassing: false }
    if (status >= 300 && status < 400) return { detail: `it redirects to another place (${status})`, isPassing: false }
    return read(text, status)
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause?.code
    return {
      detail: deadline.aborted ? `no answer within ${answerMs / 1000} s` : `no connection${cause ? ` (${cause})` : ''}`,
      isPassing: true,
    }
  }
}

/** prometheus.io/docs/prometheus/latest/querying/api: a vector's first sample, or a scalar. */
function read(text: string, status: number): Answer {
  let body: { status?: string; error?: unknown; data?: { resultType?: string; result?: unknown } }
  try {
    body = JSON.parse(text)
  } catch {
    return { detail: `its answer is no JSON (${status})`, isPassing: status >= 500 }
  }
  if (body?.status !== 'success') {
    const said = typeof body?.error === 'string' ? `: ${oneLine(body.error, 200)}` : ''
    return { detail: `it answered ${status}${said}`, isPassing: status >= 500 || status === 429 }
  }
  const { resultType, result } = body.data ?? {}
  const list = Array.isArray(result) ? result : []
  if (resultType === 'scalar') return { value: numberOf(list) }
  if (resultType === 'vector') return { value: list.length === 0 ? undefined : numberOf(list[0]?.value) }
  return { detail: 'its answer is no vector and no scalar', isPassing: false }
}

/** `[time, "value"]`; NaN for what is none. */
const numberOf = (sample: unknown): number => {
  const value = Array.isArray(sample) ? sample[1] : undefined
  if (value === '+Inf') return Number.POSITIVE_INFINITY
  if (value === '-Inf') return Number.NEGATIVE_INFINITY
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
}

/** The body, or undefined when it is too large. */
async function readSome(response: Response): Promise<string | undefined> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body ?? []) {
    parts.push(part)
    bytes += part.length
    if (bytes > mostBytes) return undefined
  }
  return Buffer.concat(parts).toString('utf8')
}
