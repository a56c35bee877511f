import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeTaxiway, type Taxiway } from '../taxiway.ts'

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
  const first = await register('http://127.0.0.1:9/acme/once.git', { token: 'very-secret-token' })
  expect(first).toMatchObject({
    status: 201,
    body: {
      name: 'acme/once',
      webhook: { url: expect.stringContaining('/webhooks/github'), secret: expect.stringMatching(/^[0-9a-f]{64}$/) },
    },
  })
  expect(await register('http://127.0.0.1:9/Acme/Once.git')).toMatchObject({
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
  expect((await register('http://127.0.0.1:9/acme/once.git')).status).toBe(201)
})

test('every route of the API asks for a token of sufficient scope', async () => {
  const { token, id } = (await taxiway.call('POST', '/tokens', { name: 'reader', scope: 'read' })).body
  const as = (bearer: string | undefined, method: string, path: string) =>
    fetch(`${taxiway.url}/api/v1${path}`, {
      method,
      headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
    }).then(({ status }) => status)
  const { paths } = (await (await fetch(`${taxiway.url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, unknown>>
  }
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map(
      (method) => [method.toUpperCase(), path.replace('/api/v1', '').replace('{id}', 'x')] as const,
    ),
  )
  expect(routes.length).toBeGreaterThan(12)
  for (const [method, path] of routes) {
    expect([method, path, await as(undefined, method, path)]).toEqual([method, path, 401])
    if (method !== 'GET') expect([method, path, await as(token, method, path)]).toEqual([method, path, 403])
  }
  expect(await as('wrong', 'GET', '/runs')).toBe(401)
  expect(await as(token, 'GET', '/runs')).toBe(200)
  expect(await as(token, 'GET', '/tokens')).toBe(403)
  await taxiway.call('DELETE', `/tokens/${id}`)
  expect(await as(token, 'GET', '/runs')).toBe(401)
  expect((await taxiway.call('GET', '/runs/run_00000000000000000000')).body.error.code).toBe('not_found')
})
