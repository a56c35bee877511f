import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fetchCommit } from '@taxiway/git/mirror.ts'
import { listTree, readBlob } from '@taxiway/git/tree.ts'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import {
  closeScene,
  codeOf,
  credentials,
  exported,
  fetched,
  gone,
  openScene,
  order,
  originOf,
  processesFor,
  push,
  scene,
  token,
  write,
} from './git-scene.ts'

beforeEach(openScene)
afterEach(closeScene)

test('exactly the commit is fetched, even when the branch has moved on, and a second time without network', async () => {
  write('a.txt', 'one')
  const first = push()
  write('a.txt', 'two')
  push()
  const mirror = await fetched(first)
  expect((await readBlob(mirror, first, 'a.txt', { maxBytes: 100 })).ok).toBe(true)
  const before = scene.requests.length
  await fetched(first)
  expect(scene.requests.length).toBe(before)
})

test('a changed line in 2,000 files sends a few objects, and the tree is laid out in no time', async () => {
  for (let i = 0; i < 2000; i++) write(`d${i % 50}/f${i}.txt`, `file ${i} ${Math.sin(i)}\n`.repeat(20))
  const first = push()
  await fetched(first)
  const whole = scene.sent
  write('d7/f7.txt', 'changed\n')
  const second = push()
  scene.sent = 0
  const startedMs = performance.now()
  const mirror = await fetched(second)
  const fetchedMs = performance.now() - startedMs
  expect(whole).toBeGreaterThan(100_000)
  expect(scene.sent).toBeLessThan(10_000)
  const { to } = await exported(second)
  const exportedMs = performance.now() - startedMs - fetchedMs
  expect(await listTree(mirror, second)).toHaveLength(2000)
  expect(readFileSync(join(to, 'd7/f7.txt'), 'utf8')).toBe('changed\n')
  expect(exportedMs).toBeLessThan(3000)
})

test('a commit is laid over an earlier one: what differs is written, what is gone goes, and nothing else is touched', async () => {
  for (const name of ['same', 'changed', 'gone', 'file-to-folder', 'file-to-link', 'folder/in', 'mode'])
    write(name, `${name}\n`)
  const { to } = await exported(push())
  for (const name of ['gone', 'file-to-folder', 'file-to-link', 'folder'])
    rmSync(join(scene.work, name), { recursive: true })
  write('changed', 'CHANGED\n')
  write('file-to-folder/in', 'in\n')
  symlinkSync('/etc', join(scene.work, 'file-to-link'))
  write('folder', 'a file now\n')
  chmodSync(join(scene.work, 'mode'), 0o755)
  const second = push()
  // Not by us, but the next commit must not have it.
  writeFileSync(join(to, 'same'), 'SAME\n')
  expect(await exported(second)).toMatchObject({ code: 'ok' })
  expect(readdirSync(to)).toEqual(['changed', 'file-to-folder', 'file-to-link', 'folder', 'mode', 'same'])
  expect(readdirSync(join(to, 'file-to-folder'))).toEqual(['in'])
  for (const [name, text] of [
    ['same', 'same'],
    ['changed', 'CHANGED'],
    ['file-to-folder/in', 'in'],
    ['folder', 'a file now'],
  ])
    expect(readFileSync(join(to, name as string), 'utf8')).toBe(`${text}\n`)
  expect(readlinkSync(join(to, 'file-to-link'))).toBe('/etc')
  expect(statSync(join(to, 'mode')).mode & 0o111).toBe(0o111)
  // An index that is no index: the files are written anew.
  writeFileSync(`${to}.index`, 'nonsense')
  writeFileSync(join(to, 'stray'), 'x')
  expect(await exported(second)).toMatchObject({ code: 'ok' })
  expect(existsSync(join(to, 'stray'))).toBe(false)
  expect(readFileSync(join(to, 'same'), 'utf8')).toBe('same\n')
})

test('a commit that is gone is told within 5 s, after two questions at most', async () => {
  push()
  const startedMs = performance.now()
  expect(await codeOf(gone)).toBe('commit_not_found')
  expect(await codeOf(gone, { ref: 'refs/heads/gone' })).toBe('commit_not_found')
  expect(performance.now() - startedMs).toBeLessThan(5000)
  expect(scene.requests.length).toBeLessThan(14)
})

test('a server that gives no commit by name is asked for the branch, and looked through', async () => {
  scene.passProtocol = false
  const first = push('first')
  push('second')
  expect(await codeOf(first)).toBe('ok')
  expect(await codeOf(gone)).toBe('commit_not_found')
})

test('what the server says becomes a reason, and no answer holds the token', async () => {
  const sha = push()
  for (const [status, code] of [
    [401, 'git_auth_failed'],
    [403, 'git_auth_failed'],
    [404, 'git_unavailable'],
    [503, 'git_unavailable'],
  ] as const) {
    scene.intercept = (request, response) => {
      response.writeHead(status, { 'www-authenticate': 'Basic realm="x"' }).end(`no: ${request.headers.authorization}`)
      return true
    }
    const answer = await fetchCommit(order(sha))
    expect(answer).toMatchObject({ ok: false, reason: { code } })
    expect(JSON.stringify(answer)).not.toMatch(new RegExp(`${token}|${credentials}`))
  }
  expect(await codeOf(sha, { url: 'http://127.0.0.1:1/o/r.git', allowedOrigins: ['http://127.0.0.1:1'] })).toBe(
    'git_unavailable',
  )
})

test('a server that never answers meets the deadline, and an abort is quick', async () => {
  const sha = push()
  scene.intercept = () => true
  const startedMs = performance.now()
  expect(await codeOf(sha, { limits: { maxMb: 1, deadlineMs: 700 } })).toBe('timeout')
  await expect(fetchCommit(order(sha, { signal: AbortSignal.timeout(300) }))).rejects.toThrow()
  expect(performance.now() - startedMs).toBeLessThan(4000)
  expect(scene.requests.length).toBe(2)
  await vi.waitFor(() => expect(processesFor(originOf(scene.server))).toEqual([]), 3000)
})

test('what is too large is cut off while it comes, and the mirror goes on', async () => {
  write('small', 'x')
  const small = push()
  await fetched(small)
  write('big', Buffer.from(Array.from({ length: 6 * 2 ** 20 }, () => Math.random() * 256)))
  const big = push()
  expect(await codeOf(big, { limits: { maxMb: 2, deadlineMs: 20_000 } })).toBe('clone_too_large')
  rmSync(join(scene.work, 'big'))
  write('small', 'y')
  const next = push()
  expect(await codeOf(next, { limits: { maxMb: 2, deadlineMs: 20_000 } })).toBe('ok')
})
