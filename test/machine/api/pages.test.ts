import { randomBytes } from 'node:crypto'
import { makeMetrics } from '@taxiway/chassis/health.ts'
import { makeLogger } from '@taxiway/chassis/logger.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { openStore } from '@taxiway/store/store.ts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Api } from '../../../services/api/api.ts'
import { makeApp } from '../../../services/api/app.ts'

const store = openStore({ redisUrl: process.env.REDIS_URL ?? '', secretKey: randomBytes(32) })
const stopping = new AbortController()
const apps: Api[] = []
let app: Api
let made: Awaited<ReturnType<typeof store.tokens.create>>

const start = async (url: string) => {
  const started = await makeApp({
    store,
    logger: makeLogger('silent', 'api'),
    url,
    allowedOrigins: [],
    dataFolder: '/nonexistent',
    stopping: stopping.signal,
    metrics: makeMetrics(),
    ready: async () => undefined,
  })
  apps.push(started)
  return started
}
const post = (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
  app.inject({
    method: 'POST',
    url: path,
    headers: { host: 'ci.example.com', 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload: new URLSearchParams(form).toString(),
  })

beforeAll(async () => {
  await waitReady(store.redis, 5000)
  made = await store.tokens.create({ name: 'reader', scope: 'read' })
})
beforeEach(async () => {
  app = await start('https://ci.example.com')
})
afterAll(async () => {
  stopping.abort()
  await store.tokens.revoke(made.record.id)
  for (const one of apps) await one.close()
  await store.close()
})

test('a sign-in sets a cookie that scripts and other sites get nothing from, and leads back', async () => {
  const answer = await post(
    '/login?return_to=%2Fruns%2Frun_a%3Fx%3D1',
    { token: ` ${made.token} ` },
    { origin: 'https://ci.example.com' },
  )
  expect(answer.statusCode).toBe(303)
  expect(answer.headers.location).toBe('/runs/run_a?x=1')
  const [pair, ...flags] = String(answer.headers['set-cookie']).split('; ')
  expect(pair).toBe(`taxiway_token=${made.token}`)
  expect(flags).toEqual(expect.arrayContaining(['HttpOnly', 'SameSite=Lax', 'Path=/', 'Secure']))
  const list = await app.inject({ url: '/api/v1/runs', headers: { cookie: pair ?? '' } })
  expect(list.statusCode).toBe(200)
  expect((await app.inject({ url: '/api/v1/runs' })).statusCode).toBe(401)
})

test('the cookie of a server on plain http is not kept back from it', async () => {
  app = await start('http://ci.example.com')
  expect(String((await post('/login', { token: made.token })).headers['set-cookie'])).not.toContain('Secure')
})

test('a wrong token is refused without a cookie, and many of them are slowed down', async () => {
  const wrong = await post('/login', { token: '<b>wrong</b>' })
  expect(wrong.statusCode).toBe(401)
  expect(wrong.headers['set-cookie']).toBeUndefined()
  expect(wrong.body).toContain('role="alert"')
  expect(wrong.body).not.toContain('<b>wrong</b>')
  expect((await post('/login', { token: 'a\r\nset-cookie: b=c' })).statusCode).toBe(401)
  for (let tries = 0; tries < 28; tries++) await post('/login', { token: 'wrong' })
  const limited = await post('/login', { token: 'wrong' })
  expect(limited.statusCode).toBe(429)
  expect(limited.headers['retry-after']).toBeDefined()
})

test('a form from another site signs nobody in or out', async () => {
  for (const origin of [
    'https://evil.example',
    'null',
    'https://ci.example.com.evil.example',
    'http://ci.example.com:81',
  ])
    for (const path of ['/login', '/logout']) {
      const answer = await post(path, { token: made.token }, { origin })
      expect([answer.statusCode, answer.headers['set-cookie']], `${origin} ${path}`).toEqual([403, undefined])
    }
})

test('signing out takes the cookie away', async () => {
  const answer = await post('/logout', {}, { origin: 'https://ci.example.com' })
  expect(answer.statusCode).toBe(303)
  expect(answer.headers['set-cookie']).toMatch(/^taxiway_token=; Max-Age=0; Path=\/; HttpOnly/)
})

test('a sign-in never leads to another site', async () => {
  for (const target of [
    '//evil.example',
    '/\\evil.example',
    'https://evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    'javascript:alert(1)',
    '',
  ]) {
    const answer = await post(`/login?return_to=${encodeURIComponent(target)}`, { token: made.token })
    expect(answer.headers.location, JSON.stringify(target)).toBe('/')
  }
  const twice = await post('/login?return_to=/a&return_to=//evil.example', { token: made.token })
  expect(twice.headers.location).toBe('/')
})

test('the pages hold no script or style of their own, and the policy allows none', async () => {
  for (const path of ['/', '/login', '/runs/run_aaaaaaaaaaaaaaaaaaaa', '/repos/repo_aaaaaaaaaaaaaaaaaaaa']) {
    const page = await app.inject({ url: path })
    expect([page.statusCode, page.headers['content-type']], path).toEqual([200, 'text/html; charset=utf-8'])
    const policy = String(page.headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self'")
    expect(policy).not.toContain('unsafe')
    // With no-referrer, browsers would send `Origin: null` on the sign-in form.
    expect(page.headers['referrer-policy']).toBe('same-origin')
    for (const tag of page.body.match(/<script[^>]*>[^<]*/g) ?? [])
      expect(tag).toMatch(/^<script type="module" src="\/assets\/[\w-]+\.js">$/)
    expect(page.body).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:/i)
    // A token that acts is never part of a form, which a browser would send or keep.
    expect(page.body).not.toMatch(/id="approval-token"[^>]*\sname=/)
    expect(page.body.replaceAll(/<form.*?<\/form>/gs, '')).toMatch(
      path.startsWith('/runs') ? /id="approval-token"/ : /./,
    )
  }
})

test('all that the pages and their scripts name can be loaded, and is asked for only once', async () => {
  const wanted = new Set<string>()
  for (const path of ['/', '/login', '/runs/run_aaaaaaaaaaaaaaaaaaaa', '/repos/repo_aaaaaaaaaaaaaaaaaaaa'])
    for (const [, asset] of (await app.inject({ url: path })).body.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g))
      wanted.add(asset ?? '')
  for (const path of wanted) {
    const asset = await app.inject({ url: path })
    expect(asset.statusCode, path).toBe(200)
    expect(asset.headers['content-type']).toMatch(/^(text\/javascript|text\/css|image\/svg\+xml)/)
    const again = await app.inject({ url: path, headers: { 'if-none-match': String(asset.headers.etag) } })
    expect([again.statusCode, again.body], path).toEqual([304, ''])
    for (const [, module] of asset.body.matchAll(/from '\.\/([\w-]+\.js)'/g)) wanted.add(`/assets/${module}`)
  }
  expect([...wanted]).toEqual(
    expect.arrayContaining([
      '/assets/base.css',
      '/assets/run.css',
      '/assets/environment.css',
      '/assets/results.css',
      '/assets/runs.js',
      '/assets/run.js',
      '/assets/environments.js',
      '/assets/drift.js',
      '/assets/log.js',
      '/assets/log-text.js',
    ]),
  )
  expect((await app.inject({ url: '/assets/../pages.ts' })).statusCode).toBe(404)
  expect((await app.inject({ url: '/assets/%2e%2e%2fpages.ts' })).statusCode).toBe(404)
})
