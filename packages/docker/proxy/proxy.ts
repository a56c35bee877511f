import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createProxyServer } from 'httpxy'

/** A reverse proxy whose upstreams can be exchanged while it serves. */
export interface ReverseProxy {
  port: number
  /** New requests go to these from now on (`http://ip:port`), in turn; with none, they wait a little and are answered 503. */
  switchTo(targets: readonly string[]): void
  /** Resolves when no request is under way to the target any more, or at the deadline: true when it is drained. */
  drained(target: string, deadlineMs: number): Promise<boolean>
  /** Stops listening at once, lets what is under way end for a while, and cuts what is still open. */
  stop(): Promise<void>
}

/** How often a request without a body is tried when its upstream can't be reached. */
const tries = 5
const retryDelayMs = 20
/** So long a request waits for an upstream where there was one before: a container that is started again is soon back. */
const holdMs = 3_000
const holdEveryMs = 50
/** So long requests that are under way may take when the proxy ends. */
const graceMs = 5_000

/**
 * Starts the proxy on a host and port (0: any free one). Connections to upstreams are not kept, so a switch takes effect with
 * the next request. Upgrades (WebSocket) pass and count as under way until they end.
 */
export async function startProxy(where: { host: string; port: number; holdMs?: number }): Promise<ReverseProxy> {
  const { host, port } = where
  const upgraded = new Set<Socket>()
  let hasServed = false
  let targets: readonly string[] = []
  let turn = 0
  const underWay = new Map<string, number>()
  const next = () => targets[turn++ % Math.max(targets.length, 1)]
  const enter = (target: string, end: { once(event: 'close', listener: () => void): unknown }) => {
    underWay.set(target, (underWay.get(target) ?? 0) + 1)
    end.once('close', () => underWay.set(target, (underWay.get(target) ?? 1) - 1))
  }
  const proxy = createProxyServer({ agent: false, xfwd: true })
  const passOn = makePassOn(proxy, { next, enter, heldMs: () => (hasServed ? (where.holdMs ?? holdMs) : 0) })
  const server = createServer((request, response) => passOn(request, response))
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const target = next()
    if (target === undefined) return socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n')
    enter(target, socket)
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
    proxy.ws(request, socket, { target, agent: false, xfwd: true }, head).catch(() => socket.destroy())
  })
  server.on('clientError', (_error, socket) => socket.destroy())
  server.keepAliveTimeout = 75_000
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    switchTo: (others) => {
      targets = [...others]
      hasServed ||= targets.length > 0
    },
    drained: (target, deadlineMs) => waitUntil(() => (underWay.get(target) ?? 0) === 0, deadlineMs),
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      await waitUntil(() => [...underWay.values()].every((count) => count === 0), graceMs)
      server.closeAllConnections()
      for (const socket of upgraded) socket.destroy()
      await closed
    },
  }
}

type ProxyServer = ReturnType<typeof createProxyServer>
type Enter = (target: string, end: ServerResponse) => void

/** Answers one request from the upstream whose turn it is; a request without a body is tried again elsewhere. */
function makePassOn(
  proxy: ProxyServer,
  { next, enter, heldMs }: { next: () => string | undefined; enter: Enter; heldMs: () => number },
) {
  const attempts = new WeakMap<IncomingMessage, number>()
  const hold = (request: IncomingMessage, response: ServerResponse, untilMs: number): void => {
    if (response.destroyed) return
    if (performance.now() < untilMs) setTimeout(() => pass(request, response, untilMs), holdEveryMs)
    else unavailable(response, 503, heldMs() > 0 ? 'The application is not ready.' : 'Nothing is deployed here yet.')
  }
  const pass = (request: IncomingMessage, response: ServerResponse, untilMs = performance.now() + heldMs()): void => {
    const target = next()
    if (target === undefined) {
      hold(request, response, untilMs)
      return
    }
    enter(target, response)
    attempts.set(request, (attempts.get(request) ?? 0) + 1)
    proxy.web(request, response, { target, agent: false, xfwd: true }).catch(() => failed(request, response))
  }
  const failed = (request: IncomingMessage, response: ServerResponse): void => {
    if (response.destroyed || response.writableEnded) return
    if (response.headersSent) {
      response.destroy()
      return
    }
    const isPlain = hasNoBody(request) && (attempts.get(request) ?? 0) < tries
    if (isPlain) setTimeout(() => pass(request, response), retryDelayMs)
    else unavailable(response, 502, 'The application does not answer.')
  }
  proxy.on('error', (_error, request, response) => {
    if (request && response && 'writeHead' in response) failed(request, response)
    else response?.destroy()
  })
  // The connection to the upstream ends with each answer; the one to the client need not.
  proxy.on('proxyRes', (answer) => {
    delete answer.headers.connection
  })
  return pass
}

const hasNoBody = ({ method, headers }: IncomingMessage): boolean =>
  (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') &&
  headers['transfer-encoding'] === undefined &&
  (headers['content-length'] ?? '0') === '0'

function unavailable(response: ServerResponse, status: number, sentence: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'retry-after': '1' }).end(`${sentence}\n`)
}

async function waitUntil(isTrue: () => boolean, deadlineMs: number): Promise<boolean> {
  const endMs = performance.now() + deadlineMs
  while (!isTrue()) {
    if (performance.now() >= endMs) return false
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return true
}
