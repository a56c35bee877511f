import { github } from '@taxiway/git-host/github.ts'
import { expect, test, vi } from 'vitest'
import { tryGit } from '../../git-host/git.ts'
import { startGitHost } from '../../git-host/server.ts'
import { bodyOf, gitHostScene, type Received } from '../../world/git-host-scene.ts'

const scene = gitHostScene((folder) => startGitHost({ folder }))
const { token, secret, push } = scene
const api = (
  path: string,
  body?: unknown,
  headers: Record<string, string> = { authorization: `Bearer ${token}` },
  ms = 5000,
) =>
  fetch(`${scene.host.url}/api/v3/repos/${scene.name}/${path}`, {
    headers,
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(ms),
  })
const post = async (sha: string, body: unknown) => {
  const response = await api(`statuses/${sha}`, body)
  return { status: response.status, body: (await response.json()) as any }
}

test('Statuses are kept oldest first, and the newest of each context counts', async () => {
  const sha = await push('Add a')
  const target_url = 'http://127.0.0.1/runs/1'
  const first = await post(sha, { state: 'pending', context: 'taxiway/build', description: 'Building', target_url })
  expect(first).toMatchObject({ status: 201, body: { state: 'pending', context: 'taxiway/build', target_url } })
  expect(await (await api('commits/main/status')).json()).toMatchObject({ state: 'pending', sha })
  await post(sha, { state: 'success', context: 'taxiway/build' })
  await post(sha, { state: 'success' })
  expect(scene.host.statuses(scene.name, sha).map(({ context, state }) => `${context} ${state}`)).toEqual([
    'taxiway/build pending',
    'taxiway/build success',
    'default success',
  ])
  expect(scene.host.latest(scene.name, sha)).toMatchObject({ 'taxiway/build': { state: 'success', description: null } })
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
  const nowhere = await fetch(`${scene.host.url}/api/v3/repos/shop/nothing/statuses/${sha}`, {
    method: 'POST',
    body: '{}',
  })
  expect(nowhere.status).toBe(404)
})

test('A context takes a thousand statuses of one commit and no more', async () => {
  const sha = await push('Add a')
  for (let done = 0; done < 1000; done += 20)
    await Promise.all(Array.from({ length: 20 }, () => post(sha, { state: 'pending', context: 'full' })))
  expect(scene.host.statuses(scene.name, sha)).toHaveLength(1000)
  expect((await post(sha, { state: 'success', context: 'full' })).status).toBe(422)
  expect((await post(sha, { state: 'success', context: 'free' })).status).toBe(201)
})

test('Faults: for the API or for git alone, and what they say', async () => {
  const sha = await push('Add a')
  const say = (ms = 5000) => api(`statuses/${sha}`, { state: 'success' }, undefined, ms)
  scene.host.setFault({ mode: '500', only: 'api' })
  expect((await say()).status).toBe(500)
  expect((await tryGit(scene.tree, ['ls-remote', scene.cloneUrl])).stderr).not.toContain('500')
  scene.host.setFault({ mode: '429', retryAfterS: 7 })
  const limited = await say()
  expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
  for (const mode of ['401', '404', '422'] as const) {
    scene.host.setFault({ mode, only: 'api' })
    expect((await say()).status).toBe(Number(mode))
  }
  scene.host.setFault({ mode: 'silent' })
  await expect(say(300)).rejects.toThrow(/timeout/)
  scene.host.setFault({ mode: '500', only: 'git' })
  await expect(push('Not taken')).rejects.toThrow(/500/)
  expect(scene.host.statuses(scene.name, sha)).toEqual([])

  scene.host.setFault({ mode: 'slow', delayMs: 400 })
  const started = performance.now()
  expect((await say()).status).toBe(201)
  expect(performance.now() - started).toBeGreaterThan(390)
  expect(scene.host.requests.at(-1)).toEqual({
    method: 'POST',
    path: `/api/v3/repos/${scene.name}/statuses/${sha}`,
    authorization: true,
  })
})

test('A webhook is registered over REST, pinged, listed without its secret, and its deliveries sent again', async () => {
  const own = `${scene.name}-hooked`
  await scene.host.createRepository(own, { files: { 'a.txt': 'one\n' } })
  const call = async (path: string, body?: unknown) => {
    const response = await fetch(`${scene.host.url}/repos/${own}/${path}`, {
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(5000),
    })
    return { status: response.status, body: (await response.json()) as any }
  }
  const url = scene.hookUrl
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
  await vi.waitFor(() => expect(scene.received).toHaveLength(1), 5000)
  const [ping] = scene.received as [Received]
  expect(ping.headers['x-github-event']).toBe('ping')
  expect(github.verify(ping.raw, String(ping.headers['x-hub-signature-256']), [secret])).toBe(true)
  expect(github.parse('ping', ping.raw)).toEqual({
    ok: true,
    value: { kind: 'ping', repository: own, repositoryId: expect.any(Number) },
  })
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
  const path = `${scene.host.url}/repos/${scene.name}/statuses/${sha}`
  expect((await fetch(path, { method: 'POST', headers, body: status })).status).toBe(201)
  expect((await fetch(path, { method: 'DELETE', headers })).status).toBe(404)
  expect((await fetch(path, { method: 'POST', headers, body: '{' })).status).toBe(400)
})
