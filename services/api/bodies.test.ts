import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import fastify from 'fastify'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { boundBodies } from './bodies.ts'

const bounds = { smallBytes: 1000, allBytes: 100_000 }
let app: ReturnType<typeof fastify>
let received: number[]
/** Six of them are more than an address may have on its way. */
const piece = Buffer.alloc(10_000, 'x')
beforeEach(async () => {
  received = []
  app = fastify({ bodyLimit: 40_000 })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    '*',
    { parseAs: 'buffer' },
    (_request: unknown, body: unknown, done: (e: null, b: unknown) => void) => done(null, body),
  )
  boundBodies(app, bounds)
  app.post('/', async ({ body }: { body: unknown }) => {
    received.push((body as Buffer).length)
    return 'ok'
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
})
afterEach(() => app.close())

function open(from = '127.0.0.1'): { call: ClientRequest; answer: Promise<number> } {
  const { port } = app.server.address() as AddressInfo
  const call = request({
    port,
    host: '127.0.0.1',
    localAddress: from,
    method: 'POST',
    headers: { 'content-type': 'a/b' },
  })
  const answer = once(call, 'response').then(([response]) => {
    const { statusCode } = (response as IncomingMessage).resume()
    return statusCode ?? 0
  })
  answer.catch(() => {})
  call.on('error', () => {})
  call.flushHeaders()
  return { call, answer }
}
const post = async (bytes: number, from?: string) => {
  const { call, answer } = open(from)
  call.end(Buffer.alloc(bytes))
  return answer
}
/** Opens bodies that do not end, until one is refused. */
async function fill(from?: string) {
  const calls = Array.from({ length: 8 }, () => open(from))
  for (const { call } of calls) call.write(piece)
  expect(await Promise.race(calls.map(({ answer }) => answer))).toBe(503)
  return calls
}

test('an address that has too much on its way is refused; its small bodies, and others, go on', async () => {
  const calls = await fill()
  expect(await post(20_000)).toBe(503)
  expect([await post(900), await post(20_000, '127.0.0.2')]).toEqual([200, 200])
  for (const { call } of calls) call.destroy()
})

test('all together have no more than their bound', async () => {
  const calls = [...(await fill('127.0.0.2')), ...(await fill('127.0.0.3'))]
  expect(await post(30_000, '127.0.0.4')).toBe(503)
  expect(await post(900, '127.0.0.4')).toBe(200)
  for (const { call } of calls) call.destroy()
})

test('what was answered or broken off is given back', async () => {
  for (let times = 0; times < 8; times++) expect(await post(40_000)).toBe(200)
  const calls = await fill()
  for (const { call } of calls) call.destroy()
  await expect.poll(() => post(40_000)).toBe(200)
  expect(received.every((bytes) => bytes === 40_000)).toBe(true)
})

test('a body that is larger than its route takes is still told so', async () => {
  expect(await post(45_000, '127.0.0.5')).toBe(413)
})
