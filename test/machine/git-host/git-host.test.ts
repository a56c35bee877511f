import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { github } from '@taxiway/git-host/github.ts'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { git, tryGit, zeroSha } from '../../git-host/git.ts'
import { commitAndPush } from '../../git-host/push.ts'
import { startGitHost } from '../../git-host/server.ts'

interface Received {
  headers: IncomingHttpHeaders
  raw: Buffer
}
const token = 'sample-token'
const secret = 'sample-secret'
let folder = ''
let host: Awaited<ReturnType<typeof startGitHost>>
let receiver: Server
let received: Received[] = []
/** What the receiver answers; undefined: nothing, until the test ends. */
let receiverStatus: number | undefined = 202
let name = ''
let cloneUrl = ''
let tree = ''
let count = 0

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'git-host-'))
  host = await startGitHost({ folder: join(folder, 'host') })
  receiver = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const chunk of request) parts.push(chunk)
    received.push({ headers: request.headers, raw: Buffer.concat(parts) })
    if (receiverStatus) response.writeHead(receiverStatus).end('taken')
  }).listen(0, '127.0.0.1')
  await once(receiver, 'listening')
})
beforeEach(async () => {
  name = `shop/web-${++count}`
  cloneUrl = (await host.createRepository(name, { token })).cloneUrl
  host.setWebhook(name, { url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`, secret })
  tree = mkdtempSync(join(folder, 'tree-'))
  writeFileSync(join(tree, 'a.txt'), 'one\n')
  received = []
})
afterEach(() => {
  host.setFault({ mode: 'ok' })
  receiverStatus = 202
})
afterAll(async () => {
  await host.stop()
  receiver.closeAllConnections()
  receiver.close()
  rmSync(folder, { recursive: true, force: true })
})

const push = (message: string, branch = 'main') => commitAndPush(tree, { url: cloneUrl, token, message, branch })
const bodyOf = ({ raw }: Received) => JSON.parse(raw.toString())
const delivered = (total: number) =>
  vi.waitFor(() => expect(host.deliveries().filter(({ repository }) => repository === name)).toHaveLength(total), 5000)
const api = (path: string, body?: unknown, headers: Record<string, string> = { authorization: `Bearer ${token}` }) =>
  fetch(`${host.url}/api/v3/repos/${name}/${path}`, {
    headers,
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(5000),
  })
const post = async (sha: string, body: unknown) => {
  const response = await api(`statuses/${sha}`, body)
  return { status: response.status, body: (await response.json()) as any }
}

test('A push arrives as a signed webhook that our own reader accepts', async () => {
  const sha = await push('Add a')
  await delivered(1)
  const [hook] = received as [Received]
  expect(hook.headers).toMatchObject({ 'x-github-event': 'push', 'content-type': 'application/json' })
  expect(hook.headers['user-agent']).toMatch(/^GitHub-Hookshot\//)
  const signature = String(hook.headers['x-hub-signature-256'])
  expect(github.verify(hook.raw, signature, [secret])).toBe(true)
  expect(github.verify(hook.raw, signature, ['another'])).toBe(false)
  expect(github.parse('push', hook.raw)).toMatchObject({
    ok: true,
    value: { repository: name, branch: 'main', defaultBranch: 'main', sha, deleted: false, message: 'Add a' },
  })
  expect(host.deliveries().at(-1)).toMatchObject({
    event: 'push',
    repository: name,
    status: 202,
    responseBody: 'taken',
  })
  expect(hook.headers['x-github-delivery']).toBe(host.deliveries().at(-1)?.id)
})

test('The payload tells what was pushed: new, further, forced and deleted branches, and tags', async () => {
  const first = await push('Add a')
  await delivered(1)
  writeFileSync(join(tree, 'b c.txt'), 'two\n')
  writeFileSync(join(tree, 'a.txt'), 'changed\n')
  const second = await push('Add b\n\nAt length.')
  await delivered(2)
  const env = {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'http.extraHeader',
    GIT_CONFIG_VALUE_0: `Authorization: token ${token}`,
  }
  await git(tree, ['push', '--force', cloneUrl, `${first}:refs/heads/main`, `${second}:refs/heads/side`], { env })
  await delivered(4)
  await git(tree, ['push', cloneUrl, ':refs/heads/side', `${first}:refs/tags/v1`], { env })
  await delivered(6)
  const bodies = received.map(bodyOf)
  const of = (ref: string) => bodies.filter((body) => body.ref === ref)
  const author = { name: 'Taxiway Sample', email: 'sample@example.com', username: 'sample' }
  expect(of('refs/heads/main')).toMatchObject([
    { before: zeroSha, after: first, created: true, forced: false, commits: [{ id: first, added: ['a.txt'] }] },
    {
      before: first,
      after: second,
      created: false,
      forced: false,
      commits: [{ id: second, added: ['b c.txt'], modified: ['a.txt'] }],
    },
    { before: second, after: first, forced: true, commits: [], head_commit: { id: first, message: 'Add a', author } },
  ])
  expect(of('refs/heads/main')[1].head_commit.message).toBe('Add b\n\nAt length.')
  expect(of('refs/heads/side')).toMatchObject([
    { created: true, deleted: false, after: second, commits: [{ id: second }] },
    { before: second, after: zeroSha, deleted: true, head_commit: null, commits: [] },
  ])
  expect(of('refs/tags/v1')).toMatchObject([{ created: true, base_ref: 'refs/heads/main', head_commit: { id: first } }])
})

test('A push does not wait for a receiver that does not answer', async () => {
  receiverStatus = undefined
  await push('Add a')
  await vi.waitFor(() => expect(received).toHaveLength(1), 5000)
  expect(host.deliveries().filter(({ repository }) => repository === name)).toEqual([])
})

test('A failed delivery is kept, not repeated, and sent again with the same id and bytes', async () => {
  receiverStatus = 503
  await push('Add a')
  await delivered(1)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(received).toHaveLength(1)
  const failed = host.deliveries().at(-1)
  expect(failed).toMatchObject({ status: 503 })
  receiverStatus = 202
  expect(await host.redeliver(failed?.id ?? '')).toMatchObject({ id: failed?.id, status: 202, repository: name })
  const [before, after] = received as [Received, Received]
  expect(after.raw.equals(before.raw)).toBe(true)
  for (const header of ['x-github-delivery', 'x-hub-signature-256', 'x-github-event', 'x-github-hook-id'])
    expect(after.headers[header]).toBe(before.headers[header])
  await expect(host.redeliver('unknown')).rejects.toThrow('no delivery')
})

test('A repository with a token opens to Basic, Bearer and token, and to nothing else', async () => {
  const sha = await push('Add a')
  const look = (authorization?: string) =>
    fetch(`${cloneUrl}/info/refs?service=git-upload-pack`, { headers: authorization ? { authorization } : {} })
  const basic = (password: string) => `Basic ${Buffer.from(`anyone:${password}`).toString('base64')}`
  for (const right of [basic(token), `Bearer ${token}`, `token ${token}`]) expect((await look(right)).status).toBe(200)
  for (const wrong of [undefined, basic('wrong'), 'Bearer wrong', token]) {
    const response = await look(wrong)
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(/^Basic/)
  }
  await expect(commitAndPush(tree, { url: cloneUrl, message: 'No token' })).rejects.toThrow()
  expect((await api(`statuses/${sha}`, { state: 'success' }, {})).status).toBe(401)
  expect((await api(`statuses/${sha}`, { state: 'success' }, { authorization: 'Bearer wrong' })).status).toBe(401)
})

test('A commit that no branch holds any more can still be fetched by its name, and large pushes arrive whole', async () => {
  const { cloneUrl: open } = await host.createRepository(`${name}-open`)
  const noise = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * index * 31) >>> (index % 13)))
  writeFileSync(join(tree, 'large.bin'), noise)
  const first = await commitAndPush(tree, { url: open, message: 'Large' })
  await git(tree, ['commit', '--amend', '--quiet', '--message=Other', '--author=Taxiway Sample <sample@example.com>'], {
    env: { GIT_COMMITTER_NAME: 'Taxiway Sample', GIT_COMMITTER_EMAIL: 'sample@example.com' },
  })
  await git(tree, ['push', '--quiet', '--force', open, 'HEAD:refs/heads/main'])
  const other = mkdtempSync(join(folder, 'fetch-'))
  await git(other, ['init', '--quiet'])
  await git(other, ['fetch', '--quiet', '--depth=1', open, first])
  expect((await git(other, ['rev-parse', 'FETCH_HEAD'])).trim()).toBe(first)
  expect((await git(other, ['cat-file', '-s', 'FETCH_HEAD:large.bin'])).trim()).toBe('3000000')
})

test('Statuses are kept oldest first, and the newest of each context counts', async () => {
  const sha = await push('Add a')
  const target_url = 'http://127.0.0.1/runs/1'
  const first = await post(sha, { state: 'pending', context: 'taxiway/build', description: 'Building', target_url })
  expect(first).toMatchObject({ status: 201, body: { state: 'pending', context: 'taxiway/build', target_url } })
  expect(await (await api('commits/main/status')).json()).toMatchObject({ state: 'pending', sha })
  await post(sha, { state: 'success', context: 'taxiway/build' })
  await post(sha, { state: 'success' })
  expect(host.statuses(name, sha).map(({ context, state }) => `${context} ${state}`)).toEqual([
    'taxiway/build pending',
    'taxiway/build success',
    'default success',
  ])
  expect(host.latest(name, sha)).toMatchObject({ 'taxiway/build': { state: 'success', description: null } })
  const newestFirst = (await (await api(`commits/${sha}/statuses`)).json()) as { context: string }[]
  expect(newestFirst.map(({ context }) => context)).toEqual(['default', 'taxiway/build', 'taxiway/build'])
  expect(await (await api(`commits/${sha}/status`)).json()).toMatchObject({ state: 'success', total_count: 2 })
  await post(sha, { state: 'error', context: 'taxiway/test' })
  expect(await (await api(`commits/${sha}/status`)).json()).toMatchObject({ state: 'failure', total_count: 3 })
})

test('Statuses that GitHub would refuse are refused', async () => {
  const sha = await push('Add a')
  const unknown = 'f'.repeat(40)
  expect(await post(unknown, { state: 'success' })).toMatchObject({
    status: 422,
    body: { message: `No commit found for SHA: ${unknown}` },
  })
  expect((await post('main', { state: 'success' })).status).toBe(422)
  expect((await post(sha, { state: 'running' })).status).toBe(422)
  expect((await post(sha, { state: 'success', description: 'x'.repeat(141) })).status).toBe(422)
  expect((await post(sha, { state: 'success', description: 'x'.repeat(140) })).status).toBe(201)
  const nowhere = await fetch(`${host.url}/api/v3/repos/shop/nothing/statuses/${sha}`, { method: 'POST', body: '{}' })
  expect(nowhere.status).toBe(404)
})

test('A context takes a thousand statuses of one commit and no more', async () => {
  const sha = await push('Add a')
  for (let done = 0; done < 1000; done += 20)
    await Promise.all(Array.from({ length: 20 }, () => post(sha, { state: 'pending', context: 'full' })))
  expect(host.statuses(name, sha)).toHaveLength(1000)
  expect((await post(sha, { state: 'success', context: 'full' })).status).toBe(422)
  expect((await post(sha, { state: 'success', context: 'free' })).status).toBe(201)
})

test('Faults: 500, 429 with Retry-After, silence and slowness, for the API or for git alone', async () => {
  const sha = await push('Add a')
  const account = { apiUrl: `${host.url}/api/v3`, token }
  const status = {
    repository: name,
    sha,
    context: 'c',
    state: 'success' as const,
    description: 'd',
    targetUrl: host.url,
  }
  const say = (ms: number) => github.postStatus(account, status, { signal: AbortSignal.timeout(ms) })

  host.setFault({ mode: '500', only: 'api' })
  expect(await say(5000)).toMatchObject({ kind: 'retry' })
  expect((await tryGit(tree, ['ls-remote', cloneUrl])).stderr).not.toContain('500')
  host.setFault({ mode: '429', retryAfterS: 7 })
  expect(await say(5000)).toMatchObject({ kind: 'retry', afterMs: 7000 })
  host.setFault({ mode: 'silent' })
  await expect(fetch(`${host.url}/api/v3`, { signal: AbortSignal.timeout(300) })).rejects.toThrow(/timeout/)
  host.setFault({ mode: '500', only: 'git' })
  await expect(push('Not taken')).rejects.toThrow(/500/)
  expect(host.statuses(name, sha)).toEqual([])

  host.setFault({ mode: 'slow', delayMs: 400 })
  const started = performance.now()
  expect(await say(5000)).toEqual({ kind: 'posted' })
  expect(performance.now() - started).toBeGreaterThan(390)
  expect(host.requests.at(-1)).toEqual({
    method: 'POST',
    path: `/api/v3/repos/${name}/statuses/${sha}`,
    authorization: true,
  })
})

test('Webhooks can be late or lost, and a lost one is sent again with its id', async () => {
  host.setFault({ mode: 'slow', delayMs: 400, only: 'hooks' })
  const started = performance.now()
  await push('Late')
  await delivered(1)
  expect(performance.now() - started).toBeGreaterThan(390)
  host.setFault({ mode: 'silent', only: 'hooks' })
  await push('Lost')
  await delivered(2)
  expect(received).toHaveLength(1)
  const lost = host.deliveries().at(-1)
  expect(lost).toMatchObject({ status: 0, responseBody: 'Error: the git host lost it', redelivery: false })
  host.setFault({ mode: 'ok' })
  expect(await host.redeliver(lost?.id ?? '')).toMatchObject({ id: lost?.id, status: 202, redelivery: true })
  expect(received[1]?.headers['x-github-delivery']).toBe(lost?.id)
  expect(bodyOf(received[1] as Received).head_commit.message).toBe('Lost')
})

test('A repository can begin with files or a folder, without a webhook, and keeps what it has when it is made again', async () => {
  const files = { Dockerfile: 'FROM scratch\n', 'k8s/web.yaml': 'kind: Service\n' }
  const seeded = await host.createRepository(`${name}-files`, { files, token, defaultBranch: 'trunk' })
  const { folder: bare, defaultBranch } = host.repository(`${name}-files`)
  expect(defaultBranch).toBe('trunk')
  expect((await git(bare, ['rev-parse', 'refs/heads/trunk'])).trim()).toBe(seeded.sha)
  expect((await git(bare, ['ls-tree', '-r', '--name-only', 'HEAD'])).trim().split('\n')).toEqual(Object.keys(files))
  const again = await host.createRepository(`${name}-files`, { files: { other: '' }, token, defaultBranch: 'trunk' })
  expect(again.sha).toBe(seeded.sha)
  await host.createRepository(`${name}-folder`, { files: tree })
  expect(await git(host.repository(`${name}-folder`).folder, ['show', 'HEAD:a.txt'])).toBe('one\n')
  expect(host.deliveries().filter(({ repository }) => repository.startsWith(name))).toEqual([])
  expect(() => host.repository('shop/nothing')).toThrow('no repository')
})

test('A webhook is registered over REST, pinged, listed without its secret, and its deliveries sent again', async () => {
  const own = `${name}-hooked`
  await host.createRepository(own, { files: { 'a.txt': 'one\n' } })
  const call = async (path: string, body?: unknown) => {
    const response = await fetch(`${host.url}/repos/${own}/${path}`, {
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(5000),
    })
    return { status: response.status, body: (await response.json()) as any }
  }
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
  const hook = { name: 'web', events: ['push'], config: { url, secret, content_type: 'json' } }
  for (const wrong of [
    {},
    { ...hook, config: { url: 'ftp://x' } },
    { ...hook, events: ['issues'] },
    { ...hook, config: { url } },
  ])
    expect((await call('hooks', wrong)).status).toBe(422)
  const created = await call('hooks', hook)
  expect(created).toMatchObject({ status: 201, body: { active: true, config: { url, secret: '********' } } })
  expect((await call('hooks', hook)).status).toBe(422)
  await vi.waitFor(() => expect(received).toHaveLength(1), 5000)
  const [ping] = received as [Received]
  expect(ping.headers['x-github-event']).toBe('ping')
  expect(github.verify(ping.raw, String(ping.headers['x-hub-signature-256']), [secret])).toBe(true)
  expect(github.parse('ping', ping.raw)).toEqual({ ok: true, value: { kind: 'ping' } })
  expect(bodyOf(ping)).toMatchObject({ hook_id: created.body.id, repository: { full_name: own } })
  expect((await call('hooks')).body).toEqual([created.body])

  const list = () => call(`hooks/${created.body.id}/deliveries`)
  await vi.waitFor(async () => expect((await list()).body).toHaveLength(1), 5000)
  const [delivery] = (await list()).body
  expect(delivery).toMatchObject({ event: 'ping', status: 'OK', status_code: 202, redelivery: false })
  expect((await call(`hooks/${created.body.id}/deliveries/${delivery.id}/attempts`, {})).status).toBe(202)
  await vi.waitFor(async () => expect((await list()).body).toHaveLength(2), 5000)
  expect((await list()).body[0]).toMatchObject({ guid: delivery.guid, redelivery: true })
  expect((await call(`hooks/${created.body.id}/deliveries/999/attempts`, {})).status).toBe(404)
  expect((await call('hooks/1/deliveries')).status).toBe(404)
})

test('The API is under /repos as well as under /api/v3, and other methods are not found', async () => {
  const sha = await push('Add a')
  const headers = { authorization: `Bearer ${token}` }
  const status = JSON.stringify({ state: 'success' })
  const path = `${host.url}/repos/${name}/statuses/${sha}`
  expect((await fetch(path, { method: 'POST', headers, body: status })).status).toBe(201)
  expect((await fetch(path, { method: 'DELETE', headers })).status).toBe(404)
  expect((await fetch(path, { method: 'POST', headers, body: '{' })).status).toBe(400)
  for (const [mode, kind] of [
    ['401', 'unauthorized'],
    ['404', 'refused'],
    ['422', 'refused'],
  ] as const) {
    host.setFault({ mode, only: 'api' })
    const post = {
      repository: name,
      sha,
      context: 'c',
      state: 'success',
      description: 'd',
      targetUrl: host.url,
    } as const
    const account = { apiUrl: host.url, token }
    expect(await github.postStatus(account, post, { signal: AbortSignal.timeout(5000) })).toMatchObject({ kind })
  }
})

test('The files named with a push are written or removed before it', async () => {
  const options = { url: cloneUrl, token }
  await commitAndPush(tree, { ...options, message: 'One', files: { 'deep/b.txt': 'two\n' } })
  const after = await commitAndPush(tree, { ...options, message: 'Two', files: { 'a.txt': null } })
  await delivered(2)
  // Two deliveries on their way at once come in any order.
  const [second] = received.map(bodyOf).filter((body) => body.after === after)
  expect(second.commits).toMatchObject([{ added: [], removed: ['a.txt'], modified: [] }])
  const { folder: bare } = host.repository(name)
  expect((await git(bare, ['ls-tree', '-r', '--name-only', 'main'])).trim()).toBe('deep/b.txt')
})

test('Stopping ends connections that were never answered', async () => {
  const short = await startGitHost({ folder: join(folder, 'short') })
  short.setFault({ mode: 'silent' })
  const waiting = fetch(short.url).catch((error: Error) => error.message)
  await vi.waitFor(() => expect(short.requests).toHaveLength(1))
  await short.stop()
  expect(await waiting).toBe('fetch failed')
})
