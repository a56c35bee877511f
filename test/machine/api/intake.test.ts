import { mkdtempSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import examples from '@octokit/webhooks-examples' with { type: 'json' }
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startRedis } from '../../../deploy/local/redis.ts'
import { makeTaxiway, type Taxiway } from '../../world/taxiway.ts'
import { type Hook, pushBody, send, sign } from '../../world/webhooks.ts'

const folder = mkdtempSync(join(tmpdir(), 'taxiway-intake-'))
const name = 'acme/shop'
const sha = 'a'.repeat(40)
const origin = 'http://127.0.0.1:9'
let store: Awaited<ReturnType<typeof startRedis>>
let redis: Redis
let taxiway: Taxiway
let hook: Hook

beforeAll(async () => {
  store = await startRedis({ folder, say: () => {} }, { fresh: true })
  redis = new Redis(store.address)
  taxiway = await makeTaxiway({
    folder: join(folder, 'taxiway'),
    environment: { REDIS_URL: store.address, TAXIWAY_ALLOWED_ORIGINS: origin },
  })
  await taxiway.start(['api'])
  hook = (await taxiway.call('POST', '/repos', { host: 'github', url: `${origin}/${name}.git` })).body.webhook
})
afterAll(async () => {
  await taxiway.stop()
  redis.disconnect()
  await store.stop()
})
const runs = async () => (await taxiway.call('GET', '/runs?limit=100')).body.items.length

test('what is not signed by the repository’s secret is refused, and leaves no trace', async () => {
  const body = pushBody(name, sha)
  const right = sign(hook.secret, body)
  const before = await redis.dbsize()
  for (const signature of [
    undefined,
    right.replace('sha256=', 'sha1='),
    right.slice(0, -1),
    `${right}0`,
    sign('other', body),
    right.replace('sha256=', ''),
    '',
  ])
    expect(await send(hook, body, { signature })).toMatchObject({
      status: 401,
      body: { error: { code: 'signature_invalid' } },
    })
  expect((await send(hook, body.replace('Change', 'change'), { signature: right })).status).toBe(401)
  expect((await send(hook, `${body} `, { signature: right })).status).toBe(401)
  expect(
    (
      await send({ ...hook, url: `${taxiway.url}/webhooks/github` }, body.replace(name, 'nobody/nothing'), {
        signature: right,
      })
    ).status,
  ).toBe(401)
  expect(await redis.dbsize()).toBe(before)
})

test('the plain webhook address finds the repository too, and the answer names the run', async () => {
  const { status, body } = await send(
    { ...hook, url: `${taxiway.url}/webhooks/github` },
    pushBody(name, 'b'.repeat(40)),
  )
  expect(status).toBe(202)
  expect(body).toEqual({ runId: expect.stringMatching(/^run_/), url: `${taxiway.url}/runs/${body.runId}` })
  expect((await taxiway.call('GET', `/runs/${body.runId}`)).body).toMatchObject({
    state: 'queued',
    sha: 'b'.repeat(40),
    branch: 'main',
    attempt: 1,
    event: 'push',
  })
})

test.each([
  ['no JSON', '{"ref":', 400, 'body_invalid'],
  ['no object', '[]', 400, 'body_invalid'],
  ['a key __proto__', '{"__proto__":{"a":1}}', 400, 'body_invalid'],
  ['a constructor.prototype', '{"constructor":{"prototype":{"a":1}}}', 400, 'body_invalid'],
  ['nesting without end', '['.repeat(100_000) + ']'.repeat(100_000), 400, 'body_invalid'],
  ['a ref that is an option', pushBody(name, sha, { ref: '--upload-pack=touch /tmp/pwn' }), 400, 'ref_invalid'],
  ['a ref that climbs', pushBody(name, sha, { ref: 'refs/heads/../../x' }), 400, 'ref_invalid'],
  ['a ref part that is an option', pushBody(name, sha, { ref: 'refs/heads/-u' }), 400, 'ref_invalid'],
  ['a ref of 1 MB', pushBody(name, sha, { ref: `refs/heads/${'x'.repeat(2 ** 20)}` }), 400, 'ref_invalid'],
  ['a sha that is a command', pushBody(name, 'HEAD;id'), 400, 'sha_invalid'],
  ['a sha that is no text', pushBody(name, sha, { after: Number.NaN }), 400, 'sha_invalid'],
  ['another repository', pushBody('acme/other', sha), 400, 'body_invalid'],
])('%s is refused with its reason, signed or not', async (_what, body, status, code) => {
  const before = await runs()
  expect(await send(hook, body)).toMatchObject({
    status,
    body: { error: { code, message: expect.stringMatching(/\.$/) } },
  })
  expect(await runs()).toBe(before)
})

test.each([
  ['a ping', 'ping', { zen: 'x' }],
  ['another event', 'issues', {}],
  ['a deleted branch', 'push', { deleted: true, after: '0'.repeat(40) }],
  ['a branch nobody asked for', 'push', { ref: 'refs/heads/feature' }],
  ['a tag', 'push', { ref: 'refs/tags/v1' }],
  ['a wish to skip', 'push', { head_commit: { message: 'Fix typo [skip ci]' } }],
])('%s starts nothing, and says so', async (_what, event, more) => {
  const before = await runs()
  const { status, body } = await send(hook, pushBody(name, sha, more), { event })
  expect([status, typeof body.ignored]).toEqual([200, 'string'])
  expect(await runs()).toBe(before)
})

test('a form, a compressed body, an unknown host and a delivery without an id are told apart', async () => {
  const body = pushBody(name, sha)
  expect(await send(hook, body, { headers: { 'content-type': 'application/x-www-form-urlencoded' } })).toMatchObject({
    status: 415,
    body: { error: { code: 'content_type_unsupported' } },
  })
  expect(await send(hook, body, { headers: { 'content-encoding': 'gzip' } })).toMatchObject({
    status: 415,
    body: { error: { code: 'content_encoding_unsupported' } },
  })
  expect(await send({ ...hook, url: `${taxiway.url}/webhooks/nohost` }, body)).toMatchObject({
    status: 404,
    body: { error: { code: 'host_unknown' } },
  })
  expect(await send(hook, body, { id: 'a b' })).toMatchObject({
    status: 400,
    body: { error: { code: 'delivery_id_invalid' } },
  })
})

test('a body over 25 MB is refused, also when it never says how long it is', async () => {
  const big = Buffer.alloc(26 * 2 ** 20, 'x')
  expect(await send(hook, big).catch(() => ({ status: 413 }))).toMatchObject({ status: 413 })
  const status = await new Promise((resolve) => {
    const endless = request(
      hook.url,
      { method: 'POST', headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' } },
      (response) => {
        more = false
        resolve(response.statusCode)
        response.resume()
      },
    )
    let more = true
    const write = () => {
      while (more && endless.write(Buffer.alloc(2 ** 20, 'x')));
      if (more) endless.once('drain', write)
    }
    endless.on('error', () => {
      more = false
      resolve(413)
    })
    write()
  })
  expect(status).toBe(413)
  expect((await fetch(`${taxiway.url}/livez`)).status).toBe(200)
})

test('whatever is done to real payloads, the answer is a 2xx or a 4xx and the process lives', async () => {
  const payloads = (examples as unknown as { name: string; examples: object[] }[])
    .filter((event) => event.name === 'push')
    .flatMap((event) => event.examples)
  expect(payloads.length).toBeGreaterThan(3)
  const junk = fc.oneof(
    fc.constant(null),
    fc.integer(),
    fc.string(),
    fc.boolean(),
    fc.array(fc.string()),
    fc.object({ maxDepth: 2 }),
  )
  const keys = ['ref', 'after', 'before', 'deleted', 'head_commit', 'repository', 'pusher', 'commits', 'sender']
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...payloads),
      fc.dictionary(fc.constantFrom(...keys), junk),
      fc.boolean(),
      async (payload, changes, isOurs) => {
        const mutated = {
          ...payload,
          ...(isOurs ? { repository: { ...(payload as any).repository, full_name: name } } : {}),
          ...changes,
        }
        const { status } = await send(hook, JSON.stringify(mutated))
        expect(status === 200 || status === 202 || (status >= 400 && status < 500)).toBe(true)
      },
    ),
    { numRuns: 500 },
  )
  expect((await fetch(`${taxiway.url}/livez`)).status).toBe(200)
}, 120_000)
