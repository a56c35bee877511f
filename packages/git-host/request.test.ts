import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { github } from './github.ts'
import { postJson } from './request.ts'

const token = 'ghp_sample'
let answer: (request: IncomingMessage, response: ServerResponse) => void
let server: Server
let url = ''
let seen: {
  method?: string | undefined
  url?: string | undefined
  headers: IncomingMessage['headers']
  body: string
}[] = []

beforeEach(async () => {
  seen = []
  server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += part
    seen.push({ method: request.method, url: request.url, headers: request.headers, body })
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})
const answering = (status: number, message?: string, headers: Record<string, string> = {}) => {
  answer = (_request, response) => response.writeHead(status, headers).end(message && JSON.stringify({ message }))
}
const post = (signal = AbortSignal.timeout(5000), key: string | undefined = token) =>
  postJson(url, { a: 1 }, key, signal)

test('a status goes where GitHub wants it, in its words', async () => {
  answering(201)
  const status = {
    repository: 'acme/shop',
    sha: 'a'.repeat(40),
    context: 'taxiway/build',
    state: 'success',
    description: 'Built',
    targetUrl: 'https://ci.example.com/runs/1',
  } as const
  const account = { apiUrl: `${url}/api/v3`, token }
  expect(await github.postStatus(account, status, { signal: AbortSignal.timeout(5000) })).toEqual({ kind: 'posted' })
  expect(seen).toMatchObject([
    {
      method: 'POST',
      url: `/api/v3/repos/acme/shop/statuses/${'a'.repeat(40)}`,
      headers: { authorization: `Bearer ${token}` },
    },
  ])
  expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
    state: 'success',
    context: 'taxiway/build',
    description: 'Built',
    target_url: 'https://ci.example.com/runs/1',
  })
})

test.each([
  [500, undefined, {}, { kind: 'retry', detail: '500' }],
  [503, 'Busy', { 'retry-after': '3' }, { kind: 'retry', detail: '503 Busy', afterMs: 3000 }],
  [429, undefined, {}, { kind: 'retry', detail: '429', afterMs: 60_000 }],
  [403, 'You have exceeded a secondary rate limit.', {}, { kind: 'retry', afterMs: 60_000 }],
  [
    403,
    'API rate limit exceeded',
    { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1' },
    { kind: 'retry', afterMs: 1000 },
  ],
  [403, 'Resource not accessible by personal access token', {}, { kind: 'unauthorized' }],
  [401, 'Bad credentials', {}, { kind: 'unauthorized' }],
  [404, 'Not Found', {}, { kind: 'refused', httpStatus: 404, detail: '404 Not Found' }],
  [422, 'No commit\nfound', {}, { kind: 'refused', httpStatus: 422, detail: '422 No commit found' }],
] as [number, string | undefined, Record<string, string>, object][])(
  '%i %s %j becomes %j',
  async (status, message, headers, result) => {
    answering(status, message, headers)
    expect(await post()).toMatchObject(result)
  },
)

test('a redirect is refused, and the token goes nowhere else', async () => {
  answer = (_request, response) => response.writeHead(307, { location: `${url}/elsewhere` }).end()
  expect(await post()).toEqual({ kind: 'refused', httpStatus: 307, detail: '307, it redirects to another place' })
  expect(seen).toHaveLength(1)
})

test('an answer that repeats the token does not get it into a detail', async () => {
  answering(422, `${'x'.repeat(190)} bad token ${token}`)
  expect(JSON.stringify(await post())).not.toContain(token.slice(0, 6))
  answering(422, `bad token ${token}`)
  expect(await post()).toMatchObject({ detail: '422 bad token ***' })
})

test('a token that cannot stand in a header is no token, and is not sent', async () => {
  answering(201)
  expect(await post(undefined, 'a\nb')).toEqual({ kind: 'unauthorized' })
  expect(seen).toEqual([])
})

test('silence ends with the signal, a closed port at once, and both may be tried again', async () => {
  answer = () => undefined
  const started = performance.now()
  expect(await post(AbortSignal.timeout(100))).toEqual({ kind: 'retry', detail: 'no answer in time' })
  expect(performance.now() - started).toBeLessThan(2000)
  server.closeAllConnections()
  server.close()
  expect(await post()).toEqual({ kind: 'retry', detail: 'no connection (ECONNREFUSED)' })
})

test('of an endless answer 64 KB are read', async () => {
  let sent = 0
  answer = (_request, response) => {
    response.writeHead(422)
    const more = () => {
      if (response.destroyed) return
      sent += 16_384
      response.write('x'.repeat(16_384), more)
    }
    more()
  }
  const started = performance.now()
  expect(await post()).toEqual({ kind: 'refused', httpStatus: 422, detail: '422' })
  expect(sent).toBeLessThan(16 * 2 ** 20)
  expect(performance.now() - started).toBeLessThan(2000)
})

test('an answer that breaks off still counts by its status', async () => {
  answer = (_request, response) => {
    response.writeHead(201, { 'content-length': '100' }).write('{')
    setTimeout(() => response.destroy(), 20)
  }
  expect(await post()).toEqual({ kind: 'posted' })
})
