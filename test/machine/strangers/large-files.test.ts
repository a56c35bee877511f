import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { Sha } from '@taxiway/domain/ids.ts'
import { bringHistory } from '@taxiway/git/history/history.ts'
import { bringLargeFiles } from '@taxiway/git/lfs/fetch-objects.ts'
import { findPointers } from '@taxiway/git/lfs/pointers.ts'
import { exportTree } from '@taxiway/git/tree.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeLargeFiles } from '../../git-host/large-files.ts'
import {
  closeScene,
  credentials,
  fetched,
  listen,
  openScene,
  order,
  originOf,
  push,
  scene,
  sh,
  write,
} from '../git/git-scene.ts'

let large: ReturnType<typeof makeLargeFiles>
beforeEach(async () => {
  await openScene()
  large = makeLargeFiles()
  scene.intercept = (request, response) => {
    const [, rest] = /^\/o\/r\.git(\/info\/lfs\/.*)$/.exec(request.url ?? '') ?? []
    if (rest) void large.serve(request, response, rest)
    return rest !== undefined
  }
})
afterEach(closeScene)

/** Checks a commit out with its large files. */
async function brought(sha: Sha, more: Parameters<typeof order>[1] = {}) {
  const tree = join(scene.folder, 'out')
  const mirror = await fetched(sha)
  const files = await exportTree(mirror, sha, tree, { maxFiles: 100, maxMb: 10 })
  const pointers = await findPointers(mirror, files.ok ? files.value : [])
  const outcome = await bringLargeFiles(order(sha, more), tree, pointers)
  const read = (path: string) => readFileSync(join(tree, path), 'utf8')
  return { outcome, read, tree, code: outcome.ok ? 'ok' : outcome.reason.code }
}

test('large files come in the place of their pointers, and are fetched once', async () => {
  write('model.bin', large.put('the model'))
  write('sub/same.bin', large.put('the model'))
  write('other.bin', large.put('other'))
  const sha = push()
  const { outcome, read, tree } = await brought(sha)
  expect(outcome).toEqual({ ok: true, value: undefined })
  expect([read('model.bin'), read('sub/same.bin'), read('other.bin')]).toEqual(['the model', 'the model', 'other'])
  expect(statSync(join(tree, 'model.bin')).mode & 0o777).toBe(0o644)
  expect(large.requests).toHaveLength(3)
  expect(scene.requests.filter(({ url }) => url?.includes('lfs')).map(({ headers }) => headers.authorization)).toEqual(
    [1, 2, 3].map(() => `Basic ${credentials}`),
  )
  write('new.txt', 'a push that changes no large file')
  expect((await brought(push())).read('model.bin')).toBe('the model')
  expect(large.requests).toHaveLength(3)
})

test('what is not there, or not what the commit names, is told for what it is', async () => {
  const pointer = large.put('the model')
  write('model.bin', pointer.replace(/sha256:../, 'sha256:ff'))
  const missing = await brought(push())
  expect(missing.outcome).toMatchObject({
    ok: false,
    reason: { code: 'large_file_missing', message: expect.stringContaining('model.bin') },
  })
  write('model.bin', pointer)
  const sha = push()
  const serve = scene.intercept
  const as = async (
    answer: (request: IncomingMessage) => { status: number; body?: string; after?: string } | undefined,
  ) => {
    scene.intercept = (request, response) => {
      const given = request.url?.includes('/info/lfs/') ? answer(request) : undefined
      if (!given) return serve(request, response)
      response.writeHead(given.status, given.after ? { 'retry-after': given.after } : {}).end(given.body)
      return true
    }
    return (await brought(sha)).outcome
  }
  const onDownload = (status: number, body?: string) =>
    as(({ method }) => (method === 'GET' ? { status, ...(body ? { body } : {}) } : undefined))
  for (const other of ['the mo', 'the modelx', 'THE MODEL', 'x'.repeat(1e6)])
    expect(await onDownload(200, other)).toMatchObject({ reason: { code: 'git_unavailable' } })
  expect(await onDownload(404)).toMatchObject({ reason: { code: 'large_file_missing' } })
  expect(await as(() => ({ status: 503, after: '9' }))).toMatchObject({
    reason: { code: 'git_unavailable', retryAfterMs: 9000 },
  })
  expect(await as(() => ({ status: 401 }))).toMatchObject({ reason: { code: 'git_auth_failed' } })
  expect(await as(() => ({ status: 200, body: 'no json' }))).toMatchObject({ reason: { code: 'git_unavailable' } })
  expect(await as(() => ({ status: 404 }))).toMatchObject({ reason: { code: 'large_file_missing' } })
  const kept = join(scene.folder, 'mirrors')
  expect(readdirSync(kept, { recursive: true }).filter((name) => String(name).includes('half-'))).toEqual([])
})

test('the token goes to the git host alone, and nothing private beside it is asked', async () => {
  write('model.bin', large.put('the model'))
  const sha = push()
  const seen: IncomingMessage[] = []
  const storage = await listen((request, response) => {
    seen.push(request)
    if (request.url?.startsWith('/away/'))
      return void response
        .writeHead(307, { location: `${originOf(scene.server)}/o/r.git/info/lfs/objects/${request.url.slice(6)}` })
        .end()
    response.end('the model')
  })
  large.elsewhere = {
    href: (oid) => `${originOf(storage)}/${oid}?signature=x`,
    header: { 'X-Signed': 'yes', Host: 'elsewhere', 'Content-Length': '5' },
  }
  expect((await brought(sha)).code).toBe('ok')
  expect(seen.map(({ headers }) => [headers['x-signed'], headers.authorization, headers.host])).toEqual([
    ['yes', undefined, originOf(storage).slice(7)],
  ])
  const again = join(scene.folder, 'more')
  const at = { folder: again }
  for (const url of [
    'http://127.0.0.2:1/x',
    'https://10.0.0.1/x',
    'https://[::1]/x',
    'file:///etc/passwd',
    'http://localhost:1/x',
  ]) {
    large.elsewhere = { href: () => url }
    expect([url, (await brought(sha, at)).code]).toEqual([url, 'url_not_allowed'])
  }
  large.elsewhere = { href: (oid) => `${originOf(storage)}/away/${oid}`, header: { 'X-Signed': 'yes' } }
  expect((await brought(sha, at)).code).toBe('ok')
  const last = scene.requests.at(-1)
  expect([last?.headers['x-signed'], last?.headers.authorization]).toEqual([undefined, undefined])
})

test('git takes them for unchanged', async () => {
  write('model.bin', large.put('the model'))
  write('a.txt', 'a')
  const { tree, outcome } = await brought(push())
  expect(outcome.ok).toBe(true)
  const history = await bringHistory(order(sh(scene.work, 'rev-parse', 'HEAD')), tree, { replaced: ['model.bin'] })
  expect(history.ok).toBe(true)
  const describe = () => sh(tree, '-c', 'safe.directory=*', 'describe', '--always', '--dirty')
  expect(describe()).not.toContain('dirty')
  writeFileSync(join(tree, 'a.txt'), 'other')
  expect(describe()).toContain('dirty')
})

test('there is an end to how much is fetched', async () => {
  write('model.bin', large.put('the model').replace(/size .*/, `size ${2 * 2 ** 20}`))
  const { code, read, tree } = await brought(push(), { limits: { maxMb: 1, deadlineMs: 20_000 } })
  expect(code).toBe('clone_too_large')
  expect(read('model.bin')).toContain('git-lfs')
  expect(large.requests).toEqual([])
  expect(existsSync(join(tree, '.git'))).toBe(false)
})
