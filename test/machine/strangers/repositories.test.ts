import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startRedis } from '../../../deploy/local/redis.ts'
import { makeTaxiway, type Taxiway } from '../../world/taxiway.ts'
import { type Hook, pushBody, send } from '../../world/webhooks.ts'

const folder = mkdtempSync(join(tmpdir(), 'taxiway-follow-'))
const origin = 'http://127.0.0.1:9'
let store: Awaited<ReturnType<typeof startRedis>>
let taxiway: Taxiway
let count = 0
let name: string
let id: string
let hook: Hook

beforeAll(async () => {
  store = await startRedis({ folder, say: () => {} }, { fresh: true })
  const environment = { REDIS_URL: store.address, TAXIWAY_ALLOWED_ORIGINS: `${origin},http://127.0.0.1:8` }
  taxiway = await makeTaxiway({ folder: join(folder, 'taxiway'), environment })
  await taxiway.start(['api'])
})
beforeEach(async () => {
  name = `acme/hooks${++count}`
  const { body } = await register(name, { branches: ['**'] })
  id = body.id
  hook = body.webhook
})
afterAll(async () => {
  await taxiway.stop()
  await store.stop()
})
const register = (of: string, more: object = {}) =>
  taxiway.call('POST', '/repos', { host: 'github', url: `${origin}/${of}.git`, ...more })
const read = async () => (await taxiway.call('GET', `/repos/${id}`)).body
const sha = () => (++count).toString(16).padStart(40, 'a')
const about = (full_name: string, number?: number) => ({
  repository: { ...(number ? { id: number } : {}), full_name, default_branch: 'main' },
})
const anywhere = () => ({ ...hook, url: `${taxiway.url}/webhooks/github` })

test('a push that has the new name is followed by the number of the repository, at either address', async () => {
  await taxiway.call('PUT', `/repos/${id}/secrets/KEPT`, { value: 'a-secret-value' })
  expect((await send(hook, pushBody(name, sha(), about(name, 71)))).status).toBe(202)
  const pushed = await send(hook, pushBody('', sha(), about(`${name}-new`, 71)))
  expect(pushed).toMatchObject({
    status: 202,
    body: { followed: expect.stringContaining(`is called ${name}-new now`) },
  })
  expect(await read()).toMatchObject({ id, name: `${name}-new`, registeredAs: name, url: `${origin}/${name}-new.git` })
  const again = await send(anywhere(), pushBody('', sha(), about(`other/${count}`, 71)))
  expect(again).toMatchObject({ status: 202, body: { followed: expect.stringContaining(`it was ${name}-new`) } })
  expect(await read()).toMatchObject({ id, name: expect.stringContaining('other/'), registeredAs: name })
  const secrets = await taxiway.call('GET', `/repos/${id}/secrets`)
  expect(JSON.stringify(secrets.body)).toContain('KEPT')
  expect((await register(name)).status).toBe(201)
})

test('the event of a rename is followed too, be the number known or not', async () => {
  const changes = { repository: { name: { from: name.split('/')[1] } } }
  const renamed = JSON.stringify({ action: 'renamed', changes, ...about(`${name}-event`, 81) })
  const told = await send(hook, renamed, { event: 'repository' })
  expect(told).toMatchObject({ status: 200, body: { ignored: expect.stringContaining(`is called ${name}-event now`) } })
  const given = { owner: { from: { organization: { login: 'acme' } } } }
  const moved = JSON.stringify({ action: 'transferred', changes: given, ...about(`mallory/t${count}`, 81) })
  expect((await send(hook, moved, { event: 'repository' })).status).toBe(200)
  expect(await read()).toMatchObject({ name: `mallory/t${count}`, registeredAs: name, hostId: 81 })
})

test('what is about another repository is refused, and told what to do', async () => {
  const help = { status: 400, body: { error: { message: expect.stringContaining(`PATCH /api/v1/repos/${id}`) } } }
  expect(await send(hook, pushBody('', sha(), about('acme/other', 5)))).toMatchObject(help)
  await send(hook, JSON.stringify(about(name, 91)), { event: 'ping' })
  expect(await send(hook, pushBody('', sha(), about('acme/other', 92)))).toMatchObject(help)
  const taken = (await register(`${name}-taken`)).body
  expect(await send(hook, pushBody('', sha(), about(`${name}-taken`, 91)))).toMatchObject({
    status: 409,
    body: { error: { code: 'repository_exists', message: expect.stringContaining(taken.id) } },
  })
  expect(await read()).toMatchObject({ name })
})

test('an admin gives a repository another url', async () => {
  const change = (to: object) => taxiway.call('PATCH', `/repos/${id}`, to)
  expect(await change({ url: `http://127.0.0.1:8/${name}-moved.git` })).toMatchObject({
    status: 200,
    body: { id, name: `${name}-moved`, apiUrl: 'http://127.0.0.1:8/api/v3', branches: ['**'] },
  })
  expect((await change({ url: 'http://10.0.0.1/acme/x.git' })).body.error.code).toBe('url_not_allowed')
  expect((await send(hook, pushBody(`${name}-moved`, sha()))).status).toBe(202)
  expect((await send(anywhere(), pushBody(`${name}-moved`, sha()))).status).toBe(202)
  expect((await send(hook, pushBody(name, sha()))).status).toBe(400)
})

test('a merge queue’s branch runs once, whether the queue or a push tells of it first', async () => {
  await taxiway.call('PATCH', `/repos/${id}`, { branches: ['main'] })
  for (const first of ['push', 'merge_group']) {
    const head = sha()
    const branch = `gh-readonly-queue/main/pr-1-${head}`
    const group = { head_sha: head, head_ref: `refs/heads/${branch}`, base_ref: 'refs/heads/main' }
    const bodies: Record<string, string> = {
      push: pushBody(name, head, { ref: `refs/heads/${branch}` }),
      merge_group: JSON.stringify({ action: 'checks_requested', merge_group: group, ...about(name) }),
    }
    const second = first === 'push' ? 'merge_group' : 'push'
    const accepted = await send(hook, bodies[first] ?? '', { event: first })
    expect(accepted.status).toBe(202)
    const other = await send(hook, bodies[second] ?? '', { event: second })
    expect(other).toMatchObject({ status: 200, body: { duplicate: true, runId: accepted.body.runId } })
    expect((await taxiway.call('GET', `/runs/${accepted.body.runId}`)).body).toMatchObject({ branch, sha: head })
  }
  const other = `gh-readonly-queue/next/pr-1-${sha()}`
  expect((await send(hook, pushBody(name, sha(), { ref: `refs/heads/${other}` }))).body.ignored).toContain('not among')
})

test('a part of a branch may begin with a dash, and what is gone is told by what it was', async () => {
  expect((await send(hook, pushBody(name, sha(), { ref: 'refs/heads/feature/-dash' }))).status).toBe(202)
  const gone = { after: '0'.repeat(40), deleted: true, head_commit: null }
  expect((await send(hook, pushBody(name, sha(), { ref: 'refs/tags/v1', ...gone }))).body.ignored).toBe(
    'The tag was deleted.',
  )
  expect((await send(hook, pushBody(name, sha(), { ref: 'refs/heads/x', ...gone }))).body.ignored).toBe(
    'The branch was deleted.',
  )
})
