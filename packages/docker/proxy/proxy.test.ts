import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startProxy } from './proxy.ts'

let proxy: Awaited<ReturnType<typeof startProxy>>
const servers: Server[] = []
beforeEach(async () => {
  proxy = await startProxy({ host: '127.0.0.1', port: 0, holdMs: 500 })
})
afterEach(async () => {
  await proxy.stop()
  for (const server of servers.splice(0)) await stop(server)
})

async function upstream(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ url: string; server: Server }> {
  const server = createServer(answer)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}
const stop = (server: Server) =>
  new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
const here = (path = '/') => `http://127.0.0.1:${proxy.port}${path}`

test('without an upstream it says so', async () => {
  const response = await fetch(here())
  expect([response.status, await response.text()]).toEqual([503, 'Nothing is deployed here yet.\n'])
})

test('no request fails while versions are exchanged under load', async () => {
  let running = true
  let count = 0
  const failures: unknown[] = []
  const versions = new Set<string>()
  const serve = (name: string) => upstream((_, response) => setTimeout(() => response.end(name), Math.random() * 10))
  let live = await serve('v0')
  proxy.switchTo([live.url])
  const poll = async () => {
    while (running) {
      const response = await fetch(here('/x?y=1')).catch((error) => error as Error)
      count++
      if (response instanceof Error || response.status !== 200) failures.push(response)
      else versions.add(await response.text())
    }
  }
  const pollers = Array.from({ length: 8 }, poll)
  for (let version = 1; version <= 6; version++) {
    for (const from = count; count < from + 20; ) await sleep(5)
    const [old, fresh] = [live, await serve(`v${version}`)]
    proxy.switchTo([fresh.url])
    expect(await proxy.drained(old.url, 2_000)).toBe(true)
    await stop(old.server)
    live = fresh
  }
  running = false
  await Promise.all(pollers)
  expect(failures).toEqual([])
  expect(count).toBeGreaterThan(100)
  expect(versions.size).toBe(7)
})

test('upstreams take turns, and one that is gone is passed by for requests without a body', async () => {
  const [one, two] = [await upstream((_, r) => r.end('1')), await upstream((_, r) => r.end('2'))]
  proxy.switchTo([one.url, two.url])
  const both = new Set([await (await fetch(here())).text(), await (await fetch(here())).text()])
  expect(both).toEqual(new Set(['1', '2']))
  await stop(one.server)
  for (let i = 0; i < 6; i++) expect(await (await fetch(here())).text()).toBe('2')
})

test('a request with a body reaches the upstream whole, and is not sent twice', async () => {
  let seen = 0
  const echo = await upstream((incoming, response) => {
    seen++
    incoming.pipe(response)
  })
  proxy.switchTo([echo.url])
  const body = 'x'.repeat(300_000)
  expect(await (await fetch(here(), { method: 'POST', body })).text()).toBe(body)
  expect(seen).toBe(1)
  await stop(echo.server)
  expect((await fetch(here(), { method: 'POST', body })).status).toBe(502)
})

test('a request waits for an upstream that is gone for a moment, not for one that stays away', async () => {
  const echo = await upstream((incoming, response) => incoming.pipe(response))
  proxy.switchTo([echo.url])
  proxy.switchTo([])
  const answer = fetch(here(), { method: 'POST', body: 'patient' })
  await sleep(100)
  proxy.switchTo([echo.url])
  expect(await (await answer).text()).toBe('patient')
  proxy.switchTo([])
  const begin = performance.now()
  const response = await fetch(here())
  expect([response.status, await response.text()]).toEqual([503, 'The application is not ready.\n'])
  expect(performance.now() - begin).toBeGreaterThan(450)
})

test('a proxy that ends listens no more at once, and answers what is under way', async () => {
  const arrived = Promise.withResolvers<ServerResponse>()
  const slow = await upstream((_, response) => arrived.resolve(response))
  proxy.switchTo([slow.url])
  const answer = fetch(here())
  const response = await arrived.promise
  const stopped = proxy.stop()
  await expect(fetch(here())).rejects.toThrow()
  response.end('to the end')
  expect(await (await answer).text()).toBe('to the end')
  await stopped
})

test('a request under way keeps its upstream undrained', async () => {
  const arrived = Promise.withResolvers<ServerResponse>()
  const slow = await upstream((_, response) => arrived.resolve(response))
  proxy.switchTo([slow.url])
  const answer = fetch(here())
  const response = await arrived.promise
  proxy.switchTo([])
  expect(await proxy.drained(slow.url, 50)).toBe(false)
  response.end('late')
  expect(await (await answer).text()).toBe('late')
  expect(await proxy.drained(slow.url, 10_000)).toBe(true)
})

test('an upgraded connection passes in both directions', async () => {
  const { url, server } = await upstream((_, response) => response.end())
  server.on('upgrade', (_, socket: Socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.pipe(socket)
  })
  proxy.switchTo([url])
  const socket = await new Promise<Socket>((resolve, reject) => {
    const headers = { connection: 'Upgrade', upgrade: 'websocket' }
    request(here('/socket'), { headers })
      .on('upgrade', (_, upgraded: Socket) => resolve(upgraded))
      .on('error', reject)
      .end()
  })
  socket.write('hello')
  const echoed = await new Promise((resolve) => socket.once('data', (chunk) => resolve(chunk.toString())))
  expect(echoed).toBe('hello')
  socket.destroy()
  expect(await proxy.drained(url, 2_000)).toBe(true)
})
