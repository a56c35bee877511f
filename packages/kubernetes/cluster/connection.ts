import type { IncomingMessage, RequestOptions } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { KubeConfig } from '@kubernetes/client-node'
import type { ClusterAccess } from '@taxiway/domain/cluster/kubeconfig.ts'
import { type Answer, type Call, type Cluster, callUntil, type Wait, warningsIn } from './call.ts'
import { makeDiscovery } from './discovery.ts'
import { makeServed } from './served.ts'

const callsAtOnce = 24
const metadataType = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'
const answerLimitBytes = 64 * 1024 * 1024

/** Where a cluster is and who we are to it: a kubeconfig file (default: KUBECONFIG, `~/.kube/config`, or the pod's own service account), or what was registered. */
export type ClusterSource = { kubeconfig?: string; context?: string } | { access: ClusterAccess }

/** Connects to a cluster. Throws when there is no such file or context. */
export function connectCluster(source: ClusterSource = {}): Cluster {
  let config = readSource(source)
  const server = config.getCurrentCluster()
  if (!server) throw new Error(`the kubeconfig has no context ${config.getCurrentContext()}`)
  const pool = makePool(server.proxyUrl !== undefined)
  const open = async (call: Call, signal: AbortSignal) => {
    const asked = config
    const ask = async () => send(await pool.options(config, new URL(server.server), call, signal), call)
    const answer = await ask()
    if (answer.statusCode !== 401) return answer
    // Credentials that ran out, or were taken back, may have been renewed where they come from.
    answer.resume()
    if (config === asked) config = readSource(source)
    return ask()
  }
  const resolve = makeDiscovery((path, signal) => open({ method: 'GET', path }, signal).then(read))
  const attempt = makeServed(async (call, signal) => {
    const path = await resolve(call.path, signal)
    return typeof path === 'string' ? read(await open({ ...call, path }, signal)) : path
  })
  return {
    where: server.server,
    call: <Body>(call: Call, wait: Wait) => callUntil<Body>((signal) => attempt(call, signal), call, wait),
    async follow(kindPath, query, signal) {
      try {
        const path = await resolve(kindPath, signal)
        if (typeof path !== 'string') return undefined
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
function makePool(proxied: boolean) {
  const agent = new Agent({ keepAlive: true, maxSockets: callsAtOnce, timeout: 120_000 })
  // Watches stay open, so they must not take the places of calls.
  const watches = new Agent()
  return {
    async options(config: KubeConfig, base: URL, call: Call, signal: AbortSignal): Promise<RequestOptions> {
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
    accept: call.metadataOnly ? `${metadataType},application/json` : 'application/json',
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
  const warnings = warningsIn(answer.headers.warning)
  return {
    status: answer.statusCode ?? 0,
    body: isJson ? JSON.parse(text) : text,
    ...(warnings.length > 0 ? { warnings } : {}),
  }
}
