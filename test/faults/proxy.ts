import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { type ConnectionOptions, TLSSocket, type TLSSocketOptions, connect as tlsConnect } from 'node:tls'
import { type Direction, type Link, openLink, type Rules } from './link.ts'

/** A port of a machine, or the path of a unix socket. */
export type Address = { host: string; port: number } | { path: string }

export interface ProxyOptions {
  /** The server that stands behind it. */
  to: Address
  /** Where it listens: on a free port of this machine, unless told. */
  listen?: Address
  /** Speaks TLS on both sides, so that what is asked can be read: as this server to clients, as this client to the server. */
  tls?: { server: TLSSocketOptions; client: ConnectionOptions }
}

/** Stands between a client and a server, and does to their connections what a network does, or a server that is ill. */
export interface FaultProxy {
  /** Its own port; 0 on a unix socket. */
  port: number
  /** All connections that ever came. */
  readonly connections: number
  /** From now on all bytes go through; ends every other mode and trap. */
  pass(): Promise<void>
  /** Breaks all connections and takes none, as where nobody listens. */
  refuse(): Promise<void>
  /** Open but silent, as a stopped process: what is sent meanwhile arrives after `pass`. */
  blackHole(): Promise<void>
  /** All bytes come so late, in their order. */
  delay(ms: number): Promise<void>
  /** Breaks all connections once; new ones pass. */
  cut(): void
  /**
   * Breaks a connection that has passed so many bytes from now on; with 0, the next one that comes, or speaks. So often.
   * @returns once it did
   */
  cutAfter(bytes: number, direction: Direction, times?: number): Promise<void>
  /**
   * Lets the call that this is true of (of the bytes that one connection has sent from now on) through to the server, keeps
   * all that comes back on its connection, and breaks that. Once. @returns what was kept, when it was broken
   */
  dropReply(isCall: (asked: Buffer) => boolean): Promise<Buffer>
  close(): Promise<void>
}

/** Starts a proxy that passes everything, until told otherwise. */
export async function startProxy({
  to,
  listen = { host: '127.0.0.1', port: 0 },
  tls,
}: ProxyOptions): Promise<FaultProxy> {
  const rules: Rules = { isSilent: false, delayMs: 0, trap: undefined }
  const links = new Set<Link>()
  /** Came while it was silent, and were not opened yet. */
  const held = new Set<Socket>()
  let connections = 0

  const open = (socket: Socket) => {
    const ours = tls ? new TLSSocket(socket, { ...tls.server, isServer: true }) : socket
    const theirs = tls ? tlsConnect({ ...to, ...tls.client }) : connect({ ...to, allowHalfOpen: true })
    const link = openLink(ours, theirs, rules, () => links.delete(link))
    links.add(link)
    socket.resume()
  }
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    connections++
    socket.on('error', () => socket.destroy())
    if (rules.trap?.kind === 'cut' && rules.trap.bytes === 0) {
      socket.destroy()
      rules.trap.sprung()
    } else if (rules.isSilent) held.add(socket)
    else open(socket)
  })
  await listenAt(server, listen)
  const port = 'path' in listen ? 0 : (server.address() as AddressInfo).port

  const cut = () => {
    for (const one of [...links, ...held]) one.destroy()
    held.clear()
  }
  const become = async (next: Partial<Rules>) => {
    Object.assign(rules, { isSilent: false, delayMs: 0, trap: undefined }, next)
    if (!server.listening) await listenAt(server, 'path' in listen ? listen : { ...listen, port })
    for (const link of links) link.hold(rules.isSilent)
    if (rules.isSilent) return
    for (const socket of held) open(socket)
    held.clear()
  }
  const refuse = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    cut()
    await closed
  }
  return {
    port,
    get connections() {
      return connections
    },
    pass: () => become({}),
    blackHole: () => become({ isSilent: true }),
    delay: (delayMs) => become({ delayMs }),
    refuse,
    cut,
    async cutAfter(bytes, direction, times = 1) {
      const { promise, resolve } = Promise.withResolvers<void>()
      let left = times
      const sprung = () => {
        if (--left > 0) return
        rules.trap = undefined
        resolve()
      }
      await become({ trap: { kind: 'cut', direction, bytes, sprung } })
      return promise
    },
    async dropReply(isCall) {
      const { promise, resolve } = Promise.withResolvers<Buffer>()
      await become({ trap: { kind: 'drop', isCall, sprung: resolve } })
      return promise
    },
    close: refuse,
  }
}

async function listenAt(server: Server, at: Address): Promise<void> {
  server.listen(at)
  await once(server, 'listening')
}
