import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, createServer as createHttpServer, get, type Server as HttpServer } from 'node:http'
import { createServer as createHttpsServer, get as getSecure, Agent as TlsAgent } from 'node:https'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { makeCertificate } from '../world/certificate.ts'
import { type FaultProxy, type ProxyOptions, startProxy } from './proxy.ts'

/** Says everything back, and keeps it. */
let echo: Server
let heard: string
let opened: number
let proxy: FaultProxy
const closing: (() => unknown)[] = []
const folder = mkdtempSync(join(tmpdir(), 'fault-proxy-'))

beforeEach(async () => {
  heard = ''
  opened = 0
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    opened++
    closing.push(() => socket.destroy())
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      heard += bytes
      socket.write(bytes)
    })
    socket.on('end', () => socket.end('.'))
  }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  proxy = await startProxy({ to: addressOf(echo) })
})
afterEach(async () => {
  await proxy.close()
  for (const close of closing.splice(0)) close()
  echo.close()
})

afterAll(() => rmSync(folder, { recursive: true }))

const addressOf = (server: Server | HttpServer) => ({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })

/** A client that keeps what it heard, and how it ended. */
function dial(to: { port: number; host?: string } | { path: string } = { port: proxy.port, host: '127.0.0.1' }) {
  const socket: Socket = connect({ ...to, allowHalfOpen: true })
  const client = { socket, heard: '', end: '' }
  closing.push(() => socket.destroy())
  socket.on('data', (bytes) => {
    client.heard += bytes
  })
  socket.on('end', () => {
    client.end ||= 'ended'
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    client.end = error.code ?? 'error'
  })
  return client
}
const soon = { timeout: 5_000 }
const hears = (client: { heard: string }, words: string) => expect.poll(() => client.heard, soon).toBe(words)
const ends = (client: { end: string }, how: RegExp) => expect.poll(() => client.end, soon).toMatch(how)

test('pass: bytes go both ways, and a side that has said all still hears the other', async () => {
  const client = dial()
  client.socket.write('one')
  await hears(client, 'one')
  client.socket.end('two')
  await hears(client, 'onetwo.')
  await ends(client, /^ended$/)
  expect([heard, proxy.connections]).toEqual(['onetwo', 1])
})

test('pass: megabytes arrive whole and in order, however slowly they are read', async () => {
  const client = dial()
  const sent = Buffer.from(Array.from({ length: 500_000 }, (_, index) => `${index}\n`).join(''))
  client.socket.pause()
  client.socket.end(sent)
  await sleep(100)
  client.socket.resume()
  await ends(client, /^ended$/)
  expect(client.heard === `${sent}.`).toBe(true)
})

test('refuse: open connections break, nobody listens, and the same port passes again afterwards', async () => {
  const before = dial()
  before.socket.write('one')
  await hears(before, 'one')
  await proxy.refuse()
  await ends(before, /ended|ECONNRESET/)
  await ends(dial(), /^ECONNREFUSED$/)
  await proxy.pass()
  const after = dial()
  after.socket.write('two')
  await hears(after, 'two')
})

test('black hole: old and new connections stay open and silent, and what was sent arrives afterwards', async () => {
  const before = dial()
  before.socket.write('one')
  await hears(before, 'one')
  await proxy.blackHole()
  before.socket.write('two')
  const fresh = dial()
  await once(fresh.socket, 'connect')
  fresh.socket.write('three')
  await sleep(200)
  expect([heard, before.heard, before.end, fresh.heard, fresh.end, opened]).toEqual(['one', 'one', '', '', '', 1])
  await proxy.pass()
  await hears(before, 'onetwo')
  await hears(fresh, 'three')
})

test('delay: every byte is late, in its order, and the end comes last', async () => {
  await proxy.delay(150)
  const client = dial()
  const startedMs = performance.now()
  client.socket.write('one')
  await sleep(30)
  client.socket.end('two')
  await hears(client, 'onetwo.')
  await ends(client, /^ended$/)
  // Once on the way there, once on the way back.
  expect(performance.now() - startedMs).toBeGreaterThan(299)
  expect(heard).toBe('onetwo')
})

test('cut: open connections break, new ones pass', async () => {
  const before = dial()
  before.socket.write('one')
  await hears(before, 'one')
  proxy.cut()
  await ends(before, /ended|ECONNRESET/)
  const after = dial()
  after.socket.write('two')
  await hears(after, 'two')
})

test('cut after bytes of the request: the server hears so many and no more, once', async () => {
  const sprung = proxy.cutAfter(5, 'request')
  const client = dial()
  client.socket.write('abc')
  await hears(client, 'abc')
  client.socket.write('defgh')
  await sprung
  await ends(client, /ended|ECONNRESET/)
  expect(heard).toBe('abcde')
  const after = dial()
  after.socket.write('and much more than five')
  await hears(after, 'and much more than five')
})

test('cut after bytes of the reply: the client hears so many and no more, as often as told', async () => {
  const sprung = proxy.cutAfter(5, 'reply', 2)
  for (const _ of [1, 2]) {
    const client = dial()
    client.socket.write('abcdefgh')
    await ends(client, /ended|ECONNRESET/)
    expect(client.heard).toBe('abcde')
  }
  await sprung
  expect(heard).toBe('abcdefghabcdefgh')
  const after = dial()
  after.socket.write('abcdefgh')
  await hears(after, 'abcdefgh')
})

test('cut after no byte: connections break as they come, before the server knows of them', async () => {
  const sprung = proxy.cutAfter(0, 'request', 2)
  await ends(dial(), /ended|ECONNRESET/)
  await ends(dial(), /ended|ECONNRESET/)
  await sprung
  expect([opened, proxy.connections]).toEqual([0, 2])
})

test('drop the reply, in a pipeline: the server has done it all, the client hears nothing from the call on', async () => {
  const client = dial()
  const dropped = proxy.dropReply((asked) => asked.includes('SET b 2'))
  client.socket.write('SET a 1\n')
  await hears(client, 'SET a 1\n')
  client.socket.write('GET a\nSET b')
  await hears(client, 'SET a 1\nGET a\nSET b')
  client.socket.write(' 2\nGET b\nGET c\n')
  expect((await dropped).toString()).toBe(' 2\nGET b\nGET c\n')
  await ends(client, /ended|ECONNRESET/)
  expect(client.heard).toBe('SET a 1\nGET a\nSET b')
  expect(heard).toBe('SET a 1\nGET a\nSET b 2\nGET b\nGET c\n')
  // Once: who tries again, hears.
  const after = dial()
  after.socket.write('SET b 2\n')
  await hears(after, 'SET b 2\n')
})

test('drop the reply, on a connection that never rests: it breaks all the same', async () => {
  const client = dial()
  const dropped = proxy.dropReply((asked) => asked.includes('call'))
  client.socket.write('call')
  const talking = setInterval(() => client.socket.write('x'), 10)
  await dropped.finally(() => clearInterval(talking))
  expect(client.heard).toBe('')
})

/** Counts what it was asked, on connections that stay. */
async function counting(server: HttpServer, options: Partial<ProxyOptions> = {}) {
  const asked: string[] = []
  server.on('request', (request, response) => {
    asked.push(request.url ?? '')
    response.end(`answer to ${request.url}`)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const before = await startProxy({ to: addressOf(server), ...options })
  closing.push(() => before.close())
  return { asked, before }
}
const textOf = (start: typeof get, options: object, path: string) =>
  new Promise<string>((resolve, reject) => {
    start({ host: '127.0.0.1', path, ...options }, async (response) => {
      resolve((await response.toArray()).join(''))
    }).on('error', (error: NodeJS.ErrnoException) => reject(new Error(error.code ?? String(error))))
  })

test('drop the reply, of HTTP that keeps its connections: the call before it is heard, it is not, the next one is', async () => {
  const { asked, before } = await counting(createHttpServer())
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ask = (path: string) => textOf(get, { port: before.port, agent }, path)
  const dropped = before.dropReply((bytes) => bytes.includes('GET /create '))
  expect(await ask('/first')).toBe('answer to /first')
  await expect(ask('/create')).rejects.toThrow('ECONNRESET')
  expect((await dropped).toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*answer to \/create$/s)
  expect(await ask('/create')).toBe('answer to /create')
  expect(asked).toEqual(['/first', '/create', '/create'])
  expect(before.connections).toBe(2)
  agent.destroy()
})

test('under TLS, what is asked is read and its reply dropped, and a black hole answers no greeting', async () => {
  const pair = makeCertificate()
  const client = { ca: pair.cert }
  const { asked, before } = await counting(createHttpsServer(pair), { tls: { server: pair, client } })
  const agent = new TlsAgent({ keepAlive: true, ca: pair.cert })
  const ask = (path: string) => textOf(getSecure as typeof get, { port: before.port, agent }, path)
  const dropped = before.dropReply((bytes) => bytes.includes('GET /create '))
  expect(await ask('/first')).toBe('answer to /first')
  await expect(ask('/create')).rejects.toThrow('ECONNRESET')
  expect((await dropped).toString()).toContain('answer to /create')
  await before.blackHole()
  let isAnswered = false
  const waiting = ask('/late').finally(() => {
    isAnswered = true
  })
  await sleep(200)
  expect(isAnswered).toBe(false)
  await before.pass()
  expect(await waiting).toBe('answer to /late')
  expect(asked).toEqual(['/first', '/create', '/late'])
  agent.destroy()
})

test('unix sockets, on either side or both, in every way', async () => {
  const path = join(folder, 'server.sock')
  const server = createServer((socket) => socket.pipe(socket)).listen(path)
  closing.push(() => server.close())
  await once(server, 'listening')
  const listen = { path: join(folder, 'proxy.sock') }
  const before = await startProxy({ to: { path }, listen })
  closing.push(() => before.close())
  const client = dial(listen)
  client.socket.write('one')
  await hears(client, 'one')
  await before.refuse()
  await ends(client, /ended|ECONNRESET/)
  await ends(dial(listen), /^(ECONNREFUSED|ENOENT)$/)
  await before.pass()
  const after = dial(listen)
  const dropped = before.dropReply((asked) => asked.includes('two'))
  after.socket.write('two')
  expect((await dropped).toString()).toBe('two')
  await ends(after, /ended|ECONNRESET/)
})

test('a server that is not there breaks the connection', async () => {
  echo.close()
  await once(echo, 'close')
  await ends(dial(), /ended|ECONNRESET/)
})
