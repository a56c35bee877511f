import { rm } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { pause } from '../engine/engine.ts'
import { keyOf, type Place } from '../release/container.ts'
import type { StateFile } from '../release/state.ts'
import type { Routes } from './routes.ts'

/** The proxy listens here, in the data folder; whoever may write that may speak to it. */
const socketIn = (folder: string): string => join(folder, 'docker-proxy.sock')
const standByMs = 500

/** What the docker target asks of the proxy, which is a process of its own. */
export interface ProxyClient {
  /** Has it do what the record says. False: none runs. */
  reconcile(): Promise<boolean>
  /** The same, and waits at most so long until nothing is under way to where the environment was led before. */
  handOver(place: Place, drainMs: number, signal: AbortSignal): Promise<boolean>
  /** Where the environment's first service answers, as far as it is known. */
  address(place: Place): string | undefined
}
/** Ports by service: they go on the record. */
type Ports = Record<string, number>

/** Speaks to the proxy of a data folder. */
export function makeProxyClient({
  folder,
  state,
  host,
}: {
  folder: string
  state: StateFile
  host: string
}): ProxyClient {
  let known: Ports = {}
  const ask = async (path: string, deadlineMs: number, signal?: AbortSignal): Promise<boolean> => {
    const ports = await post(socketIn(folder), path, deadlineMs, signal)
    if (!ports) return false
    known = ports
    await state.change(({ services }) => {
      for (const [key, service] of Object.entries(services)) service.port = ports[key] ?? service.port
    })
    return true
  }
  return {
    reconcile: () => ask('/reconcile', callMs),
    handOver: (place, drainMs, signal) =>
      ask(`/hand-over?place=${encodeURIComponent(keyOf(place))}&drainMs=${drainMs}`, drainMs + callMs, signal),
    address(place) {
      const port = Object.entries(known).find(([key]) => key.startsWith(`${keyOf(place)}/`))?.[1]
      return port ? `http://${host}:${port}` : undefined
    },
  }
}
const callMs = 15_000

/** Undefined when nobody answers, or can't do it now: the proxy does it by itself as soon as it can. */
function post(socketPath: string, path: string, deadlineMs: number, signal?: AbortSignal): Promise<Ports | undefined> {
  return new Promise((resolve, reject) => {
    const stop = AbortSignal.any([AbortSignal.timeout(Math.ceil(deadlineMs)), ...(signal ? [signal] : [])])
    const asked = request({ socketPath, path, method: 'POST', agent: false, signal: stop }, async (answer) => {
      try {
        let body = ''
        for await (const chunk of answer.setEncoding('utf8')) body += chunk
        resolve(answer.statusCode === 200 ? JSON.parse(body) : undefined)
      } catch {
        resolve(undefined)
      }
    })
    asked.on('error', () => (signal?.aborted ? reject(signal.reason) : resolve(undefined)))
    asked.end()
  })
}

/**
 * Listens for the docker target in a data folder. While another proxy does so, this one stands by and takes over when that ends.
 * @param begin is called before the first question. @returns when it listens
 */
export async function serveControl(
  folder: string,
  routes: Routes,
  signal: AbortSignal,
): Promise<{ close(): Promise<void> }> {
  const socketPath = socketIn(folder)
  while (await isTaken(socketPath)) await pause(standByMs, signal)
  await rm(socketPath, { force: true })
  const server = createServer(async (asked, answer) => {
    asked.resume()
    const { pathname, searchParams } = new URL(asked.url ?? '/', 'http://proxy')
    try {
      if (pathname === '/hand-over')
        await routes.handOver(searchParams.get('place') ?? '', Number(searchParams.get('drainMs')), signal)
      else await routes.reconcile()
      answer.end(JSON.stringify(routes.ports()))
    } catch (error) {
      answer.writeHead(503).end(String(error))
    }
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socketPath, resolve))
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

const isTaken = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path)
    const end = (isSo: boolean) => {
      socket.destroy()
      resolve(isSo)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
