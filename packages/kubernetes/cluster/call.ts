import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { done, type Outcome, oneLine, reason, refuse } from '@taxiway/domain/reason.ts'

/** How long somebody waits for the cluster, and who is told about it. */
export interface Wait {
  /** On the clock of `performance.now()`, in milliseconds. */
  untilMs: number
  signal: AbortSignal
  say: (line: string) => void
}
/** Waits `forMs` from now. */
export const waitFor = (forMs: number, wait: Pick<Wait, 'signal' | 'say'>): Wait => ({
  untilMs: performance.now() + forMs,
  signal: wait.signal,
  say: wait.say,
})

/** One call of the API, in plain JSON. */
export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  query?: Record<string, string>
  body?: unknown
  contentType?: string
  /** Of objects only what they are known by (`PartialObjectMetadata`). */
  metadataOnly?: boolean
  /** Hand 403 back as an answer, instead of refusing with `cluster_forbidden`. */
  may403?: boolean
}
/** The cluster's answer: its status code, and an object, a list or a `Status`. A log comes as text. */
export interface Answer<Body = unknown> {
  status: number
  body: Body
  /** What the server warns of: versions that go away, fields it does not know, pods that a policy would not take. */
  warnings?: string[]
}
/** The fields of a `Status` that are read. */
export interface Status {
  message?: string
  reason?: string
  details?: { kind?: string; name?: string; causes?: { reason?: string; message?: string; field?: string }[] }
}

/** A connected cluster. Nothing is sent before the first call. */
export interface Cluster {
  /** Address of the API server, for messages. */
  where: string
  /** Field managers that are controllers, beside those that are known as such; `*` at the end stands for anything. */
  controllers?: readonly string[]
  /**
   * Calls, and while the API can't be reached calls again until the wait is over (`cluster_unavailable`), saying so
   * every 10 s. So every call must stand being sent twice.
   */
  call<Body>(call: Call, wait: Wait): Promise<Outcome<Answer<Body>>>
  /** Opens a watch: lines of JSON until it ends. Undefined when it can't be opened now. */
  follow(path: string, query: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage | undefined>
  close(): void
}

const readDeadlineMs = 10_000
/** Longer, because admission webhooks may take up to 30 s. */
const writeDeadlineMs = 32_000
/** What is asked when the time is over gets so long all the same: no silence of the API is told that nobody has heard. */
const leastMs = 1_000
const outageLineEveryMs = 10_000
const longestPauseMs = 2_000

/** Calls run side by side: what one of them just said is not said again. */
function sayOnce(line: string, { say }: Wait): void {
  const now = performance.now()
  if (now - (lastSaidMs.get(say) ?? Number.NEGATIVE_INFINITY) < outageLineEveryMs / 2) return
  lastSaidMs.set(say, now)
  say(line)
}
const lastSaidMs = new WeakMap<Wait['say'], number>()

/** What the server warned of, once each: it repeats it for every object and every trial. */
function tellWarnings({ warnings = [] }: Answer, { body }: Call, { say }: Wait): void {
  const said = saidWarnings.get(say) ?? new Set()
  saidWarnings.set(say, said)
  for (const warning of warnings.filter((one) => !said.has(one))) {
    said.add(warning)
    const { kind, metadata } = Object(body) as { kind?: string; metadata?: { name?: string } }
    say(`Kubernetes warns${kind ? ` of ${kind}/${metadata?.name}` : ''}: ${oneLine(warning, 500)}`)
  }
}
const saidWarnings = new WeakMap<Wait['say'], Set<string>>()

/** The texts of a `Warning` header (RFC 7234, 5.5), in which several may stand: `299 - "text"`. */
export const warningsIn = (header = ''): string[] =>
  [...header.matchAll(/\d{3} \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) => text.replace(/\\(.)/g, '$1'))

/** Tries until an answer comes that says something about the call itself. */
export async function callUntil<Body>(
  attempt: (signal: AbortSignal) => Promise<Answer>,
  call: Call,
  wait: Wait,
): Promise<Outcome<Answer<Body>>> {
  const begin = performance.now()
  const seconds = () => Math.round((performance.now() - begin) / 1000)
  const talk = setInterval(
    () => sayOnce(`Kubernetes API unreachable for ${seconds()} s, retrying`, wait),
    outageLineEveryMs,
  )
  try {
    let unheard: Answer | undefined
    const untilMs = Math.max(wait.untilMs, begin + leastMs)
    for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      wait.signal.throwIfAborted()
      const leftMs = untilMs - performance.now()
      // The API itself is there: it is a webhook that is not.
      if (leftMs <= 0 && unheard) return settle<Body>(unheard as Answer<Body>, call)
      if (leftMs <= 0) return refuse('cluster_unavailable', { seconds: seconds() })
      const limitMs = Math.min(leftMs, call.method === 'GET' ? readDeadlineMs : writeDeadlineMs)
      const outcome = await attempt(AbortSignal.any([wait.signal, AbortSignal.timeout(Math.ceil(limitMs))])).catch(
        (error: NodeJS.ErrnoException) => afterError(error, wait.signal),
      )
      if (outcome && !isPassing(outcome)) {
        tellWarnings(outcome, call, wait)
        return settle<Body>(outcome as Answer<Body>, call)
      }
      unheard = outcome && /failed calling webhook/.test(messageOf(outcome.body)) ? outcome : undefined
      const restMs = Math.max(untilMs - performance.now(), 0)
      await sleep(Math.min(pauseMs, restMs), undefined, { signal: wait.signal }).catch(() => undefined)
    }
  } finally {
    clearInterval(talk)
  }
}

/** Errors that another try may heal become undefined; those of trust become an answer; those of ours are thrown. */
function afterError(error: NodeJS.ErrnoException, signal: AbortSignal): Answer<Status> | undefined {
  if (signal.aborted) throw signal.reason
  const code = error.code ?? ''
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|ERR_OSSL|^EPROTO$/.test(code))
    return { status: 495, body: { message: `no trusted connection to its API (${code})` } }
  if (code || error.name === 'AbortError' || error.name === 'TimeoutError') return undefined
  throw error
}

/** Is it an answer of a server that is starting, overloaded, or cut off from its own store? */
function isPassing({ status, body }: Answer): boolean {
  if (status === 429 || status === 502 || status === 503 || status === 504) return true
  return status === 500 && /etcdserver|timed? ?out|deadline exceeded|connection refused|leader/i.test(messageOf(body))
}

function settle<Body>(answer: Answer<Body>, call: Call): Outcome<Answer<Body>> {
  if (answer.status === 495) return refuse('cluster_forbidden', { detail: messageOf(answer.body) })
  if (answer.status === 401) return refuse('cluster_forbidden', { detail: 'the credentials are not accepted' })
  if (answer.status === 403 && !call.may403)
    return { ok: false, reason: reason('cluster_forbidden', { detail: forbidden(messageOf(answer.body)) }) }
  return done(answer)
}

/** What an account may not do, in few words; anything else as it is. */
export function forbidden(message: string): string {
  const [, who, verb, what, group, namespace] =
    /User "([^"]+)" cannot (\w+) resource "([^"]+)"(?: in API group "([^"]*)")?(?: in the namespace "([^"]+)")?/.exec(
      message,
    ) ?? []
  if (!who) return message
  return `account ${who} may not ${verb} ${what}${group ? `.${group}` : ''}${namespace ? ` in namespace ${namespace}` : ''}`
}

/** The sentence in a `Status`, on one line. */
export const messageOf = (body: unknown): string =>
  oneLine(typeof body === 'string' ? body : ((body as Status | undefined)?.message ?? ''), 600)

/** The cluster's version, like `v1.20.2`. */
export async function clusterVersion(cluster: Cluster, wait: Wait): Promise<Outcome<string>> {
  const answer = await cluster.call<{ gitVersion: string }>({ method: 'GET', path: '/version' }, wait)
  return answer.ok ? done(answer.value.body.gitVersion) : answer
}
