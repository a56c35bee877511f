import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { git, zeroSha } from '../../git-host/git.ts'
import { commitAndPush } from '../../git-host/push.ts'
import { startGitHost } from '../../git-host/server.ts'
import { bodyOf, gitHostScene, type Received } from '../../world/git-host-scene.ts'

const scene = gitHostScene((folder) => startGitHost({ folder }))
const { token, push, delivered } = scene
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

test('A push arrives as a webhook with the headers of GitHub, and its answer is kept', async () => {
  await push('Add a')
  await delivered(1)
  const [hook] = scene.received as [Received]
  expect(hook.headers).toMatchObject({ 'x-github-event': 'push', 'content-type': 'application/json' })
  expect(hook.headers['user-agent']).toMatch(/^GitHub-Hookshot\//)
  expect(scene.host.deliveries().at(-1)).toMatchObject({
    event: 'push',
    repository: scene.name,
    status: 202,
    responseBody: 'taken',
  })
  expect(hook.headers['x-github-delivery']).toBe(scene.host.deliveries().at(-1)?.id)
})

test('The payload tells what was pushed: new, further, forced and deleted branches, and tags', async () => {
  const first = await push('Add a')
  await delivered(1)
  writeFileSync(join(scene.tree, 'b c.txt'), 'two\n')
  writeFileSync(join(scene.tree, 'a.txt'), 'changed\n')
  const second = await push('Add b\n\nAt length.')
  await delivered(2)
  const env = {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'http.extraHeader',
    GIT_CONFIG_VALUE_0: `Authorization: token ${token}`,
  }
  await git(scene.tree, ['push', '--force', scene.cloneUrl, `${first}:refs/heads/main`, `${second}:refs/heads/side`], {
    env,
  })
  await delivered(4)
  await git(scene.tree, ['push', scene.cloneUrl, ':refs/heads/side', `${first}:refs/tags/v1`], { env })
  await delivered(6)
  const bodies = scene.received.map(bodyOf)
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
  scene.receiverStatus = undefined
  await push('Add a')
  await vi.waitFor(() => expect(scene.received).toHaveLength(1), 5000)
  expect(scene.host.deliveries().filter(({ repository }) => repository === scene.name)).toEqual([])
})

test('A failed delivery is kept, not repeated, and sent again with the same id and bytes', async () => {
  scene.receiverStatus = 503
  await push('Add a')
  await delivered(1)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(scene.received).toHaveLength(1)
  const failed = scene.host.deliveries().at(-1)
  expect(failed).toMatchObject({ status: 503 })
  scene.receiverStatus = 202
  expect(await scene.host.redeliver(failed?.id ?? '')).toMatchObject({
    id: failed?.id,
    status: 202,
    repository: scene.name,
  })
  const [before, after] = scene.received as [Received, Received]
  expect(after.raw.equals(before.raw)).toBe(true)
  for (const header of ['x-github-delivery', 'x-hub-signature-256', 'x-github-event', 'x-github-hook-id'])
    expect(after.headers[header]).toBe(before.headers[header])
  await expect(scene.host.redeliver('unknown')).rejects.toThrow('no delivery')
})

test('A repository with a token opens to Basic, Bearer and token, and to nothing else', async () => {
  const sha = await push('Add a')
  const look = (authorization?: string) =>
    fetch(`${scene.cloneUrl}/info/refs?service=git-upload-pack`, { headers: authorization ? { authorization } : {} })
  const basic = (password: string) => `Basic ${Buffer.from(`anyone:${password}`).toString('base64')}`
  for (const right of [basic(token), `Bearer ${token}`, `token ${token}`]) expect((await look(right)).status).toBe(200)
  for (const wrong of [undefined, basic('wrong'), 'Bearer wrong', token]) {
    const response = await look(wrong)
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toMatch(/^Basic/)
  }
  await expect(commitAndPush(scene.tree, { url: scene.cloneUrl, message: 'No token' })).rejects.toThrow()
  expect((await api(`statuses/${sha}`, { state: 'success' }, {})).status).toBe(401)
  expect((await api(`statuses/${sha}`, { state: 'success' }, { authorization: 'Bearer wrong' })).status).toBe(401)
})

test('A commit that no branch holds any more can still be fetched by its name, and large pushes arrive whole', async () => {
  const { cloneUrl: open } = await scene.host.createRepository(`${scene.name}-open`)
  const noise = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * index * 31) >>> (index % 13)))
  writeFileSync(join(scene.tree, 'large.bin'), noise)
  const first = await commitAndPush(scene.tree, { url: open, message: 'Large' })
  await git(
    scene.tree,
    ['commit', '--amend', '--quiet', '--message=Other', '--author=Taxiway Sample <sample@example.com>'],
    {
      env: { GIT_COMMITTER_NAME: 'Taxiway Sample', GIT_COMMITTER_EMAIL: 'sample@example.com' },
    },
  )
  await git(scene.tree, ['push', '--quiet', '--force', open, 'HEAD:refs/heads/main'])
  const other = mkdtempSync(join(scene.folder, 'fetch-'))
  await git(other, ['init', '--quiet'])
  await git(other, ['fetch', '--quiet', '--depth=1', open, first])
  expect((await git(other, ['rev-parse', 'FETCH_HEAD'])).trim()).toBe(first)
  expect((await git(other, ['cat-file', '-s', 'FETCH_HEAD:large.bin'])).trim()).toBe('3000000')
})

test('Webhooks can be late or lost, and a lost one is sent again with its id', async () => {
  scene.host.setFault({ mode: 'slow', delayMs: 400, only: 'hooks' })
  const started = performance.now()
  await push('Late')
  await delivered(1)
  expect(performance.now() - started).toBeGreaterThan(390)
  scene.host.setFault({ mode: 'silent', only: 'hooks' })
  await push('Lost')
  await delivered(2)
  expect(scene.received).toHaveLength(1)
  const lost = scene.host.deliveries().at(-1)
  expect(lost).toMatchObject({ status: 0, responseBody: 'Error: the git host lost it', redelivery: false })
  scene.host.setFault({ mode: 'ok' })
  expect(await scene.host.redeliver(lost?.id ?? '')).toMatchObject({ id: lost?.id, status: 202, redelivery: true })
  expect(scene.received[1]?.headers['x-github-delivery']).toBe(lost?.id)
  expect(bodyOf(scene.received[1] as Received).head_commit.message).toBe('Lost')
})

test('A repository can begin with files or a folder, without a webhook, and keeps what it has when it is made again', async () => {
  const files = { Dockerfile: 'FROM scratch\n', 'k8s/web.yaml': 'kind: Service\n' }
  const seeded = await scene.host.createRepository(`${scene.name}-files`, { files, token, defaultBranch: 'trunk' })
  const { folder: bare, defaultBranch } = scene.host.repository(`${scene.name}-files`)
  expect(defaultBranch).toBe('trunk')
  expect((await git(bare, ['rev-parse', 'refs/heads/trunk'])).trim()).toBe(seeded.sha)
  expect((await git(bare, ['ls-tree', '-r', '--name-only', 'HEAD'])).trim().split('\n')).toEqual(Object.keys(files))
  const again = await scene.host.createRepository(`${scene.name}-files`, {
    files: { other: '' },
    token,
    defaultBranch: 'trunk',
  })
  expect(again.sha).toBe(seeded.sha)
  await scene.host.createRepository(`${scene.name}-folder`, { files: scene.tree })
  expect(await git(scene.host.repository(`${scene.name}-folder`).folder, ['show', 'HEAD:a.txt'])).toBe('one\n')
  expect(scene.host.deliveries().filter(({ repository }) => repository.startsWith(scene.name))).toEqual([])
  expect(() => scene.host.repository('shop/nothing')).toThrow('no repository')
})

test('The files named with a push are written or removed before it', async () => {
  const options = { url: scene.cloneUrl, token }
  await commitAndPush(scene.tree, { ...options, message: 'One', files: { 'deep/b.txt': 'two\n' } })
  const after = await commitAndPush(scene.tree, { ...options, message: 'Two', files: { 'a.txt': null } })
  await delivered(2)
  // Two deliveries on their way at once come in any order.
  const [second] = scene.received.map(bodyOf).filter((body) => body.after === after)
  expect(second.commits).toMatchObject([{ added: [], removed: ['a.txt'], modified: [] }])
  const { folder: bare } = scene.host.repository(scene.name)
  expect((await git(bare, ['ls-tree', '-r', '--name-only', 'main'])).trim()).toBe('deep/b.txt')
})

test('Stopping ends connections that were never answered', async () => {
  const short = await startGitHost({ folder: join(scene.folder, 'short') })
  short.setFault({ mode: 'silent' })
  const waiting = fetch(short.url).catch((error: Error) => error.message)
  await vi.waitFor(() => expect(short.requests).toHaveLength(1))
  await short.stop()
  expect(await waiting).toBe('fetch failed')
})
