import type { IncomingMessage, RequestOptions } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { KubeConfig } from '@kubernetes/client-node'
import type { ClusterAccess } from '@taxiway/domain/cluster/kubeconfig.ts'
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
  /** Hand 403 back as an answer, instead of refusing with `cluster_forbidden`. */
  may403?: boolean
}
/** The cluster's answer: its status code, and an object, a list or a `Status`. A log comes as text. */
export interface Answer<Body = unknown> {
  status: number
  body: Body
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
const callsAtOnce = 24
const outageLineEveryMs = 10_000
const longestPauseMs = 2_000
const answerLimitBytes = 64 * 1024 * 1024

/** Where a cluster is and who we are to it: a kubeconfig file (default: KUBECONFIG, `~/.kube/config`, or the pod's own service account), or what was registered. */
export type ClusterSource = { kubeconfig?: string; context?: string } | { access: ClusterAccess }

/** Connects to a cluster. Throws when there is no such file or context. */
export function connectCluster(source: ClusterSource = {}): Cluster {
  const config = readSource(source)
  const server = config.getCurrentCluster()
  if (!server) throw new Error(`the kubeconfig has no context ${config.getCurrentContext()}`)
  const pool = makePool(config)
  const open = async (call: Call, signal: AbortSignal) =>
    send(await pool.options(new URL(server.server), call, signal), call)
  return {
    where: server.server,
    call: <Body>(call: Call, wait: Wait) => callUntil<Body>((signal) => open(call, signal).then(read), call, wait),
    async follow(path, query, signal) {
      try {
        const answer = await open({ method: 'GET', path, query: { ...query, watch: 'true' } }, signal)
        if (answer.statusCode === 200) return answer
        answer.destroy()
      } catch {
        // Whoever follows asks again, and learns by its own calls what is wrong.
      }
      return undefined
    },
    close: () => pool.close(),
  }
}

function readSource(source: ClusterSource): KubeConfig {
  const config = new KubeConfig()
  if ('access' in source) {
    if (source.access.inCluster) loadOwn(config)
    else loadAccess(config, source.access)
    return config
  }
  if (source.kubeconfig) config.loadFromFile(source.kubeconfig)
  else config.loadFromDefault()
  if (source.context) config.setCurrentContext(source.context)
  return config
}

/** The cluster that this process runs in. Its token is read anew as it is renewed. */
function loadOwn(config: KubeConfig): void {
  if (!process.env.KUBERNETES_SERVICE_HOST) throw new Error('this deployer does not run in a cluster')
  config.loadFromCluster()
}

function loadAccess(config: KubeConfig, access: Exclude<ClusterAccess, { inCluster: true }>): void {
  const { server, authority, serverName, credentials } = access
  config.loadFromClusterAndUser(
    {
      name: 'cluster',
      server,
      skipTLSVerify: false,
      ...(authority ? { caData: authority } : {}),
      ...(serverName ? { tlsServerName: serverName } : {}),
    },
    'token' in credentials
      ? { name: 'user', token: credentials.token }
      : { name: 'user', certData: credentials.certificate, keyData: credentials.key },
  )
}

/** Connections that are kept; credentials are asked of the kubeconfig for every call, as they may expire. */
function makePool(config: KubeConfig) {
  const proxied = config.getCurrentCluster()?.proxyUrl !== undefined
  const agent = new Agent({ keepAlive: true, maxSockets: callsAtOnce, timeout: 120_000 })
  // Watches stay open, so they must not take the places of calls.
  const watches = new Agent()
  return {
    async options(base: URL, call: Call, signal: AbortSignal): Promise<RequestOptions> {
      const options: RequestOptions = {}
      await config.applyToHTTPSOptions(options)
      const url = new URL(base.pathname.replace(/\/$/, '') + call.path, base)
      for (const [key, value] of Object.entries(call.query ?? {})) url.searchParams.set(key, value)
      return {
        ...options,
        ...(!proxied && base.protocol === 'https:' ? { agent: call.query?.watch ? watches : agent } : {}),
        protocol: url.protocol,
        host: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port || 443,
        path: url.pathname + url.search,
        method: call.method,
        signal,
      }
    },
    close() {
      agent.destroy()
      watches.destroy()
    },
  }
}

function send(options: RequestOptions, call: Call): Promise<IncomingMessage> {
  const body = call.body === undefined ? undefined : JSON.stringify(call.body)
  const headers: RequestOptions['headers'] = {
    ...(options.headers as Record<string, string>),
    accept: 'application/json',
    'user-agent': 'taxiway',
    ...(body === undefined
      ? {}
      : { 'content-type': call.contentType ?? 'application/json', 'content-length': Buffer.byteLength(body) }),
  }
  return new Promise((resolve, reject) => {
    httpsRequest({ ...options, headers }, resolve)
      .on('error', reject)
      .end(body)
  })
}

async function read(answer: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer) {
    size += chunk.length
    if (size > answerLimitBytes) throw new Error('the answer of the Kubernetes API is too large')
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString('utf8')
  const isJson = /json/.test(answer.headers['content-type'] ?? '')
  return { status: answer.statusCode ?? 0, body: isJson ? JSON.parse(text) : text }
}

/** Calls run side by side: what one of them just said is not said again. */
function sayOnce(line: string, { say }: Wait): void {
  const now = performance.now()
  if (now - (lastSaidMs.get(say) ?? Number.NEGATIVE_INFINITY) < outageLineEveryMs / 2) return
  lastSaidMs.set(say, now)
  say(line)
}
const lastSaidMs = new WeakMap<Wait['say'], number>()

/** Tries until an answer comes that says something about the call itself. */
async function callUntil<Body>(
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
    for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      wait.signal.throwIfAborted()
      const leftMs = wait.untilMs - performance.now()
      // The API itself is there: it is a webhook that is not.
      if (leftMs <= 0 && unheard) return settle<Body>(unheard as Answer<Body>, call)
      if (leftMs <= 0) return refuse('cluster_unavailable', { seconds: seconds() })
      const limitMs = Math.min(leftMs, call.method === 'GET' ? readDeadlineMs : writeDeadlineMs)
      const outcome = await attempt(AbortSignal.any([wait.signal, AbortSignal.timeout(Math.ceil(limitMs))])).catch(
        (error: NodeJS.ErrnoException) => afterError(error, wait.signal),
      )
      if (outcome && !isPassing(outcome)) return settle<Body>(outcome as Answer<Body>, call)
      unheard = outcome && /failed calling webhook/.test(messageOf(outcome.body)) ? outcome : undefined
      const restMs = Math.max(wait.untilMs - performance.now(), 0)
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
