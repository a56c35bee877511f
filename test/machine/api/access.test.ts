import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeTaxiway, type Taxiway } from '../../world/taxiway.ts'

let taxiway: Taxiway
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'taxiway-access-'))
  taxiway = await makeTaxiway({
    folder,
    environment: { REDIS_URL: process.env.REDIS_URL, TAXIWAY_ALLOWED_ORIGINS: 'http://127.0.0.1:9' },
  })
  await taxiway.start(['api'])
})
afterAll(() => taxiway.stop())
const register = (url: string, more: object = {}) => taxiway.call('POST', '/repos', { host: 'github', url, ...more })

test.each([
  'ext::sh -c touch% /tmp/pwn',
  'file:///etc/passwd',
  'ssh://-oProxyCommand=x/a/b',
  'git@github.com:a/b.git',
  '-u/a/b',
  'http://github.com/a/b.git',
  'https://user:secret@github.com/a/b.git',
  'http://127.0.0.1/a/b.git',
  'http://169.254.169.254/a/b.git',
  'https://127.1/a/b',
  'https://0x7f000001/a/b',
  'https://[::ffff:7f00:1]/a/b',
  'https://10.0.0.1/a/b',
  'https://localhost/a/b',
  'https://github.com/a',
  'https://github.com/a/b/c',
  'https://github.com/../b',
  'https://github.com/a/b.git?x=1',
  'https://git hub.com/a/b',
])('the URL %s can not be registered', async (url) => {
  expect(await register(url)).toMatchObject({ status: 400, body: { error: { code: 'url_not_allowed' } } })
})

test('the base of the REST API is checked as well', async () => {
  expect(await register('https://github.com/a/b', { apiUrl: 'http://169.254.169.254/' })).toMatchObject({
    status: 400,
    body: { error: { code: 'url_not_allowed' } },
  })
})

test('a repository is registered once; its secret is shown then and never again', async () => {
  const first = await register(`http://127.0.0.1:9/acme/once-${process.pid}.git`, { token: 'very-secret-token' })
  expect(first).toMatchObject({
    status: 201,
    body: {
      name: `acme/once-${process.pid}`,
      webhook: { url: expect.stringContaining('/webhooks/github'), secret: expect.stringMatching(/^[0-9a-f]{64}$/) },
    },
  })
  expect(await register(`http://127.0.0.1:9/Acme/Once-${process.pid}.git`)).toMatchObject({
    status: 409,
    body: { error: { code: 'repository_exists' } },
  })
  const read = await taxiway.call('GET', `/repos/${first.body.id}`)
  const listed = await taxiway.call('GET', '/repos')
  expect(JSON.stringify([read.body, listed.body])).not.toMatch(/very-secret-token|webhook|[0-9a-f]{64}/)
  expect((await taxiway.call('PATCH', `/repos/${first.body.id}`, { branches: ['**'] })).body.branches).toEqual(['**'])
  expect((await taxiway.call('PATCH', `/repos/${first.body.id}`, { host: 'x' })).body.error.code).toBe('input_invalid')
  expect((await taxiway.call('DELETE', `/repos/${first.body.id}`)).status).toBe(204)
  expect((await taxiway.call('GET', `/repos/${first.body.id}`)).status).toBe(404)
  expect((await register(`http://127.0.0.1:9/acme/once-${process.pid}.git`)).status).toBe(201)
})

test('every route of the API asks for a token of sufficient scope', async () => {
  const made = async (scope: string, more: object = {}) =>
    (await taxiway.call('POST', '/tokens', { name: scope, scope, ...more })).body as { token: string; id: string }
  // From another address each time, as one address may show only so many wrong tokens.
  let address = 0
  const as = async (bearer: string | undefined, method: string, path: string) => {
    const localAddress = `127.0.${1 + Math.floor(address / 250)}.${1 + (address++ % 250)}`
    const headers = bearer ? { authorization: `Bearer ${bearer}` } : {}
    const call = request(`${taxiway.url}/api/v1${path}`, { method, headers, localAddress }).end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    answer.resume()
    return answer.statusCode
  }
  const { paths } = (await (await fetch(`${taxiway.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, unknown>>
  }
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(
      (method) => [method.toUpperCase(), path.replace('/api/v1', '').replaceAll(/\{\w+\}/g, 'x')] as const,
    ),
  )
  expect(routes).toEqual(
    expect.arrayContaining([
      ['PUT', '/repos/x/secrets/x'],
      ['GET', '/repos/x/secrets'],
      ['DELETE', '/repos/x/secrets/x'],
      ['GET', '/registries'],
      ['PUT', '/registries/x'],
      ['DELETE', '/registries/x'],
      ...['approve', 'reject', 'promote', 'deploy', 'rollback', 'scale', 'restart'].map((act) => [
        'POST',
        `/repos/x/environments/x/${act}`,
      ]),
      ['DELETE', '/repos/x/environments/x/hold'],
    ]),
  )
  const reader = await made('read')
  const writer = await made('write')
  const revoked = await made('admin')
  await taxiway.call('DELETE', `/tokens/${revoked.id}`)
  const expired = await made('admin', { expiresAt: '2020-01-01T00:00:00Z' })
  // What a token that may only write can do: act on runs and releases. All else that changes something takes an admin.
  const forWriters =
    /^\/(runs\/|repos\/x\/runs$|repos\/x\/environments\/x\/(approve|reject|promote|deploy|rollback|hold|scale|restart)$)/
  for (const [method, path] of routes) {
    const statuses = [undefined, revoked.token, expired.token].map((bearer) => as(bearer, method, path))
    expect([method, path, ...(await Promise.all(statuses))]).toEqual([method, path, 401, 401, 401])
    // To check a pipeline file changes nothing.
    if (method === 'GET' || path === '/lint') continue
    expect([method, path, await as(reader.token, method, path)]).toEqual([method, path, 403])
    if (!forWriters.test(path))
      expect([method, path, await as(writer.token, method, path)]).toEqual([method, path, 403])
  }
  for (const path of ['/tokens', '/registries'])
    for (const { token } of [reader, writer]) expect([path, await as(token, 'GET', path)]).toEqual([path, 403])
  expect(await as('wrong', 'GET', '/runs')).toBe(401)
  expect(await as(reader.token, 'GET', '/runs')).toBe(200)
  await taxiway.call('DELETE', `/tokens/${reader.id}`)
  expect(await as(reader.token, 'GET', '/runs')).toBe(401)
  expect((await taxiway.call('GET', '/runs/run_00000000000000000000')).body.error.code).toBe('not_found')
})
