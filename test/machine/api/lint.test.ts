import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeMetrics } from '@taxiway/chassis/health.ts'
import { makeLogger } from '@taxiway/chassis/logger.ts'
import { waitReady } from '@taxiway/store/redis/connection.ts'
import { openStore } from '@taxiway/store/store.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Api } from '../../../services/api/api.ts'
import { makeApp } from '../../../services/api/app.ts'

const store = openStore({ redisUrl: process.env.REDIS_URL ?? '', secretKey: randomBytes(32) })
const stopping = new AbortController()
let app: Api
let made: Awaited<ReturnType<typeof store.tokens.create>>

beforeAll(async () => {
  await waitReady(store.redis, 5000)
  made = await store.tokens.create({ name: 'linter', scope: 'read' })
  app = await makeApp({
    store,
    logger: makeLogger('silent', 'api'),
    url: 'http://localhost:8080',
    allowedOrigins: [],
    dataFolder: '/nonexistent',
    stopping: stopping.signal,
    metrics: makeMetrics(),
    ready: async () => undefined,
  })
})
afterAll(async () => {
  stopping.abort()
  await store.tokens.revoke(made.record.id)
  await app.close()
  await store.close()
})

const good = 'version: 1\nimages: { web: {} }\ntest:\n  unit:\n    run: [make test]\ndeploy: { staging: {} }\n'
async function lint(payload: string | Buffer | object, type = 'text/yaml', token = made.token) {
  const headers = { 'content-type': type, ...(token ? { authorization: `Bearer ${token}` } : {}) }
  const answer = await app.inject({ method: 'POST', url: '/api/v1/lint', headers, payload })
  return { status: answer.statusCode, body: answer.json() }
}

test('a good file is answered with its plan for a push to main', async () => {
  expect(await lint(good)).toMatchObject({
    status: 200,
    body: { ok: true, plan: { tests: [{ name: 'unit', image: 'web' }], environments: [{ name: 'staging' }] } },
  })
})
test('branch and event are given in JSON', async () => {
  const answer = await lint({ file: good, branch: 'feature', event: 'push' }, 'application/json')
  expect(answer).toMatchObject({ status: 200, body: { ok: true, plan: { environments: [] } } })
  expect(await lint({ file: good, event: 'party' }, 'application/json')).toMatchObject({ status: 400 })
})
test('a bad file is an answer, not an error', async () => {
  expect(await lint(good.replace('run:', 'runs:'))).toMatchObject({
    status: 200,
    body: { ok: false, reason: { code: 'config_invalid', message: expect.stringMatching(/line 5: test.unit.runs/) } },
  })
  expect(await lint(Buffer.from([0xff, 0xfe]))).toMatchObject({
    body: { ok: false, reason: { message: expect.stringMatching(/UTF-8/) } },
  })
})
test('plain text is a file as well, and all that is wrong is told with its line', async () => {
  expect(await lint(good, 'text/plain')).toMatchObject({ status: 200, body: { ok: true } })
  expect(await lint(good, 'text/plain; charset=utf-8')).toMatchObject({ status: 200, body: { ok: true } })
  const wrong = good.replace('run:', 'runs:').replace('staging', 'Staging')
  const { body } = await lint({ file: wrong }, 'application/json')
  expect(body.problems).toEqual([
    expect.objectContaining({ line: 5, column: 5, excerpt: '    runs: [make test]\n    ^' }),
    { line: 4, column: 3, message: 'test.unit: needs run', excerpt: '  unit:\n  ^' },
    expect.objectContaining({ line: 6, column: 11, message: expect.stringContaining('deploy.Staging: a name has') }),
  ])
  expect(await lint(wrong)).toMatchObject({ body: { problems: body.problems } })
})
test('with the paths of a tree, what the file names and the tree has not is told', async () => {
  const lintTree = (files: string[]) => lint({ file: good, files }, 'application/json')
  expect(await lintTree(['.taxiway.yaml', 'Dockerfile', 'k8s/web.yaml'])).toMatchObject({ body: { ok: true } })
  expect(await lintTree(['docker/Dockerfile'])).toMatchObject({
    status: 200,
    body: {
      ok: false,
      reason: { code: 'config_invalid' },
      problems: [
        { line: 2, message: 'images.web: the tree has no Dockerfile', excerpt: expect.stringContaining('images: {') },
        { line: 6, message: 'deploy.staging: name its manifests or components: the tree has no folder k8s' },
      ],
    },
  })
  const foreign = good.replace('run: [make test]', 'image: node:24\n    run: [sh test.sh]')
  const files = ['Dockerfile', 'k8s/web.yaml', 'test.sh']
  expect(await lint({ file: foreign, files }, 'application/json')).toMatchObject({
    body: { ok: true, advice: [{ line: 6, message: expect.stringContaining('node:24 is no image of this pipeline') }] },
  })
  expect(await lintTree(['.taxiway.yml', 'Dockerfile'])).toMatchObject({
    body: { ok: false, reason: { code: 'config_misnamed' } },
  })
  expect(await lintTree(Array(20_001).fill('a'))).toMatchObject({ status: 400 })
  expect(await lintTree(Array(1100).fill('a'.repeat(1000)))).toMatchObject({ status: 413 })
  expect(await lint({ file: `# ${'x'.repeat(256 * 1024)}` }, 'application/json')).toMatchObject({ status: 413 })
})
test('hostile globs take moments', async () => {
  const globs = ['(a+)+b', '*a'.repeat(127), '{a,aa}'.repeat(42)]
  const fileOf = (many: number) => {
    const tests = Array.from(
      { length: many },
      (_, index) => `  t${index}: { run: [x], when: { branch: ${JSON.stringify(globs)} } }`,
    )
    return `version: 1\nimages: { web: {} }\ntest:\n${tests.join('\n')}\n`
  }
  const branch = `${'a'.repeat(254)}c`
  await lint({ file: good, branch: 'main' }, 'application/json')
  const before = performance.eventLoopUtilization()
  expect(await lint({ file: fileOf(30), branch }, 'application/json')).toMatchObject({ body: { ok: true } })
  // Of this thread: the file is read in another, and what other processes do counts little beside minutes.
  expect(performance.eventLoopUtilization(before).active).toBeLessThan(1000)
  const { body } = await lint({ file: fileOf(45), branch }, 'application/json')
  expect(body.reason.message).toContain('its globs have more than 20000 characters in all')
})
test('too much, another type, and nobody are refused', async () => {
  expect(await lint(`# ${'x'.repeat(256 * 1024)}`)).toMatchObject({ status: 413 })
  expect(await lint(good, 'text/html')).toMatchObject({ status: 415 })
  expect(await lint(good, 'text/yaml', '')).toMatchObject({ status: 401 })
})
test('anybody may read the schema, and it is the one in the repository', async () => {
  const answer = await app.inject({ method: 'GET', url: '/schema/v1.json' })
  expect(answer.statusCode).toBe(200)
  expect(answer.body).toBe(readFileSync(join(import.meta.dirname, '../../../schema/v1.json'), 'utf8'))
})
test('the API describes the check', async () => {
  const { paths } = (await app.inject({ method: 'GET', url: '/openapi.json' })).json()
  expect(Object.keys(paths['/api/v1/lint'].post.requestBody.content)).toContain('text/yaml')
})
