import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { github } from './github.ts'

let answer: (request: IncomingMessage, response: ServerResponse) => void
let server: Server
let apiUrl = ''
let asked: string[] = []
beforeEach(async () => {
  asked = []
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v3`
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})
const answering = (status: number, body: unknown, headers = {}) => {
  answer = (_request, response) => response.writeHead(status, headers).end(JSON.stringify(body))
}
const ask = (signal = AbortSignal.timeout(5_000)) =>
  github.isPullRequestOpen({ apiUrl, token: 'ghp_sample' }, 'acme/shop', 12, { signal })

test('a pull request is asked for with the token, and told to be open or closed', async () => {
  answering(200, { number: 12, state: 'open' })
  expect(await ask()).toEqual({ ok: true, value: true })
  expect(asked).toEqual(['GET /api/v3/repos/acme/shop/pulls/12 Bearer ghp_sample'])
  answering(200, { number: 12, state: 'closed', merged: true })
  expect(await ask()).toEqual({ ok: true, value: false })
})

test.each([
  ['an outage', 503, {}, 'git_unavailable'],
  ['a limit', 429, {}, 'git_unavailable'],
  ['a token without rights', 401, {}, 'git_auth_failed'],
  ['a 404, which says as little', 404, {}, 'ref_not_found'],
  ['a redirect', 301, {}, 'git_unavailable'],
  ['another pull request', 200, { number: 13, state: 'closed' }, 'git_unavailable'],
  ['a state that is unknown', 200, { number: 12, state: 'locked' }, 'git_unavailable'],
  ['no state', 200, { number: 12 }, 'git_unavailable'],
  ['nothing', 200, null, 'git_unavailable'],
])('%s does not say that it is closed', async (_what, status, body, code) => {
  answering(status, body, status === 301 ? { location: `${apiUrl}/elsewhere` } : {})
  expect(await ask()).toMatchObject({ ok: false, reason: { code } })
  expect(asked).toHaveLength(1)
})

test('a host that is silent or gone does not say that it is closed', async () => {
  answer = () => {}
  expect(await ask(AbortSignal.timeout(100))).toMatchObject({ reason: { code: 'git_unavailable' } })
  server.closeAllConnections()
  server.close()
  expect(await ask()).toMatchObject({ reason: { code: 'git_unavailable' } })
})
