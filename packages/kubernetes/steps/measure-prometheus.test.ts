import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { measurePrometheus } from './measure-prometheus.ts'

const servers: ReturnType<typeof createServer>[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})
const never = new AbortController().signal

/** A server that speaks the query API of Prometheus. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
const answering = (data: object, seen: string[] = []) =>
  serve((request, response) => {
    seen.push(request.url ?? '')
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ status: 'success', data }))
  })
const vector = (...values: string[]) => ({
  resultType: 'vector',
  result: values.map((value) => ({ metric: {}, value: [1_435_781_451.781, value] })),
})

async function measure(url: string, limits: { min?: number; max?: number }, allowed = [new URL(url).origin]) {
  return measurePrometheus({ kind: 'prometheus', url, query: 'errors{a="b"} > 1', ...limits }, allowed, never)
}
const textOf = async (url: string, limits: { min?: number; max?: number }) => {
  const outcome = await measure(url, limits)
  if (!outcome.ok) throw new Error(outcome.reason.message)
  return outcome.value
}

test('the first value lies between the limits, or is told', async () => {
  const seen: string[] = []
  const url = await answering(vector('0.12', '99'), seen)
  expect(await textOf(`${url}/prom/`, { min: 0.1, max: 0.2 })).toBeUndefined()
  expect(seen).toEqual(['/prom/api/v1/query?query=errors%7Ba%3D%22b%22%7D+%3E+1'])
  expect(await textOf(url, { max: 0.05 })).toBe('errors{a="b"} > 1 is 0.12, at most 0.05 wanted')
  expect(await textOf(url, { min: 1 })).toBe('errors{a="b"} > 1 is 0.12, at least 1 wanted')
  const scalar = await answering({ resultType: 'scalar', result: [1, '3'] })
  expect(await textOf(scalar, { max: 3 })).toBeUndefined()
})

test.each([
  [{ resultType: 'vector', result: [] }, 'has no value'],
  [vector('NaN'), 'is NaN, at most 1 wanted'],
  [vector(''), 'is NaN, at most 1 wanted'],
  [vector('+Inf'), 'is Infinity, at most 1 wanted'],
  [{ resultType: 'matrix', result: [] }, 'could not be asked: its answer is no vector and no scalar'],
  [{}, 'could not be asked: its answer is no vector and no scalar'],
])('%j is no pass', async (data, words) => {
  expect(await textOf(await answering(data), { max: 1 })).toBe(`errors{a="b"} > 1 ${words}`)
})

test('an error, a redirect, nonsense, too much and nobody are told as what they are', async () => {
  const listeners: [RequestListener, string][] = [
    [
      (_, response) => void response.writeHead(400).end('{"status":"error","error":"parse error"}'),
      'it answered 400: parse error',
    ],
    [
      (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
      'it redirects to another place (302)',
    ],
    [(_, response) => void response.end('<html>'), 'its answer is no JSON (200)'],
    [(_, response) => void response.end(Buffer.alloc(2 * 1024 * 1024, 32)), 'its answer is too large'],
  ]
  for (const [listener, words] of listeners)
    expect(await textOf(await serve(listener), { max: 1 })).toBe(`errors{a="b"} > 1 could not be asked: ${words}`)
  const gone = await serve(() => {})
  for (const server of servers.splice(0)) server.close()
  expect(await textOf(gone, { max: 1 })).toBe('errors{a="b"} > 1 could not be asked: no connection (ECONNREFUSED)')
})

test('a server that fails for a moment is asked again', async () => {
  let count = 0
  const url = await serve((_, response) => {
    if (++count === 1) response.writeHead(503).end()
    else response.end(JSON.stringify({ status: 'success', data: vector('1') }))
  })
  expect(await textOf(url, { max: 1 })).toBeUndefined()
})

test.each([
  'http://169.254.169.254/',
  'http://user:pass@prometheus.example.com/',
  'https://prometheus.example.com.evil.example/',
  'https://prometheus.example.com:444/',
  'https://prometheus.example.com/?x=1',
  'https://',
])('%s is not asked', async (url) => {
  const outcome = await measurePrometheus(
    { kind: 'prometheus', url, query: 'up', min: 1 },
    ['https://prometheus.example.com'],
    never,
  )
  expect(outcome.ok ? '' : outcome.reason.code).toBe('url_not_allowed')
})
