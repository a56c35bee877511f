import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import type { RepositoryId, Sha } from '@taxiway/domain/ids.ts'
import { fetchCommit } from '@taxiway/git/mirror.ts'
import { exportTree } from '@taxiway/git/tree.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startGitHost } from '../../git-host/server.ts'

let folder = ''
let host: Awaited<ReturnType<typeof startGitHost>>
let bare = ''
let url = ''
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-bombs-'))
  host = await startGitHost({ folder: join(folder, 'host') })
  const made = await host.createRepository('acme/bomb')
  url = made.cloneUrl
  bare = host.repository('acme/bomb').folder
})
afterEach(async () => {
  await host.stop()
  rmSync(folder, { recursive: true, force: true })
})

const git = (args: string[], input?: string | Buffer): string =>
  execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b.c', ...args], {
    cwd: bare,
    ...(input === undefined ? {} : { input }),
    maxBuffer: 2 ** 26,
  })
    .toString()
    .trim()
const blob = (content: string | Buffer) => git(['hash-object', '-w', '--stdin'], content)
const tree = (entries: string) => git(['mktree', '--missing'], entries)
function commit(treeId: string): Sha {
  const sha = git(['commit-tree', treeId, '-m', 'Bomb'])
  git(['update-ref', 'refs/heads/main', sha])
  return sha as Sha
}
const order = (sha: Sha, limits: { maxMb: number; deadlineMs?: number }, from = url) => ({
  folder: join(folder, 'mirrors'),
  repositoryId: 'repo_bomb' as RepositoryId,
  url: from,
  sha,
  ref: 'refs/heads/main',
  limits: { deadlineMs: 60_000, ...limits },
  allowedOrigins: [new URL(from).origin],
  signal: new AbortController().signal,
})
/** What is on the disk of all that this test made here, in MB. */
function usedMb(path = join(folder, 'mirrors')): number {
  if (!existsSync(path)) return 0
  return (
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0) /
    2 ** 20
  )
}
const reasonOf = (outcome: { ok: true } | { ok: false; reason: { code: string; message: string } }) =>
  outcome.ok ? 'ok' : outcome.reason.code
const heapMb = () => process.memoryUsage().rss / 2 ** 20

test('a file of a gigabyte that travels as one megabyte is refused before it is unpacked', async () => {
  writeFileSync(join(folder, 'zeros'), '')
  execFileSync('truncate', ['-s', '1G', join(folder, 'zeros')])
  const id = git(['-c', 'core.compression=1', 'hash-object', '-w', join(folder, 'zeros')])
  const sha = commit(tree(`100644 blob ${id}\tzeros\n`))
  const before = heapMb()
  const mirror = await fetchCommit(order(sha, { maxMb: 100 }))
  expect(reasonOf(mirror)).toBe('ok')
  if (!mirror.ok) return
  const out = join(folder, 'out')
  expect(await exportTree(mirror.value, sha, out, { maxFiles: 1000, maxMb: 100 })).toMatchObject({
    reason: { code: 'clone_too_large', message: expect.stringContaining('100 MB') },
  })
  expect(existsSync(out)).toBe(false)
  expect(heapMb() - before).toBeLessThan(100)
})

test('a tree that repeats itself to a million files is refused, in bounded time and memory', async () => {
  let id = tree(Array.from({ length: 10 }, (_, i) => `100644 blob ${blob('x')}\tf${i}\n`).join(''))
  for (let level = 0; level < 5; level++)
    id = tree(Array.from({ length: 10 }, (_, i) => `040000 tree ${id}\td${i}\n`).join(''))
  const sha = commit(id)
  const before = heapMb()
  const startedMs = performance.now()
  const mirror = await fetchCommit(order(sha, { maxMb: 100 }))
  if (!mirror.ok) throw new Error(mirror.reason.message)
  const exported = await exportTree(mirror.value, sha, join(folder, 'out'), { maxFiles: 200_000, maxMb: 100 })
  expect(exported).toMatchObject({
    reason: { code: 'clone_too_large', message: expect.stringContaining('200000 files') },
  })
  expect(performance.now() - startedMs).toBeLessThan(30_000)
  expect(heapMb() - before).toBeLessThan(400)
})

test('a tree that repeats itself without end in sight is refused as well', async () => {
  let id = tree(`100644 blob ${blob('x')}\tf\n`)
  for (let level = 0; level < 40; level++)
    id = tree(Array.from({ length: 10 }, (_, i) => `040000 tree ${id}\td${i}\n`).join(''))
  const sha = commit(id)
  const startedMs = performance.now()
  const mirror = await fetchCommit(order(sha, { maxMb: 100, deadlineMs: 20_000 }))
  const outcome = mirror.ok
    ? await exportTree(mirror.value, sha, join(folder, 'out'), { maxFiles: 200_000, maxMb: 100 })
    : mirror
  expect(['clone_too_large', 'timeout']).toContain(reasonOf(outcome))
  expect(performance.now() - startedMs).toBeLessThan(60_000)
  expect(existsSync(join(folder, 'out'))).toBe(false)
})

test('more bytes than allowed are not fetched, and their disk is given back', async () => {
  const noise = join(folder, 'noise')
  execFileSync('sh', ['-c', `head -c 60000000 /dev/urandom > ${noise}`])
  const sha = commit(tree(`100644 blob ${git(['hash-object', '-w', noise])}\tnoise\n`))
  expect(reasonOf(await fetchCommit(order(sha, { maxMb: 10 })))).toBe('clone_too_large')
  expect(usedMb()).toBeLessThan(11)
  const small = commit(tree(`100644 blob ${blob('small')}\tsmall\n`))
  expect(reasonOf(await fetchCommit(order(small, { maxMb: 10 })))).toBe('ok')
})

/** A git host of a stranger: it says what a real one would, and then a pack that never ends. */
async function endless(write: (response: ServerResponse) => void) {
  const sha = '1'.repeat(40) as Sha
  const line = (text: string) => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`
  const server = createServer((request, response) => {
    if (request.url?.includes('info/refs')) {
      response.setHeader('content-type', 'application/x-git-upload-pack-advertisement')
      const able = 'side-band-64k shallow allow-reachable-sha1-in-want allow-tip-sha1-in-want'
      response.end(
        `${line('# service=git-upload-pack\n')}0000${line(`${sha} HEAD\0${able}\n`)}${line(`${sha} refs/heads/main\n`)}0000`,
      )
      return
    }
    response.setHeader('content-type', 'application/x-git-upload-pack-result')
    let asked = ''
    request.on('data', (chunk) => {
      asked += chunk
    })
    request.on('end', () => {
      response.write(`${line(`shallow ${sha}`)}0000`)
      // The first question is for the history alone.
      if (!asked.includes('done')) return void response.end()
      response.write(line('NAK\n'))
      write(response)
    })
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  return {
    sha,
    url: `http://127.0.0.1:${port}/acme/endless.git`,
    stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}
const side = (data: Buffer) =>
  Buffer.concat([Buffer.from((data.length + 5).toString(16).padStart(4, '0')), Buffer.from([1]), data])

test('a server that never stops sending is cut off, by size or by time', async () => {
  const server = await endless((response) => {
    // A pack that promises 2^24 objects, and sends one small one after another.
    const head = Buffer.concat([Buffer.from('PACK'), Buffer.from([0, 0, 0, 2, 1, 0, 0, 0])])
    response.write(side(head))
    let count = 0
    const more = () => {
      while (!response.destroyed) {
        const content = createHash('sha512').update(String(count++)).digest()
        const objects = Buffer.concat([Buffer.from([0xb0 | (64 & 15), 64 >> 4]), deflateSync(content)])
        if (!response.write(side(objects))) return void response.once('drain', more)
      }
    }
    more()
  })
  try {
    const startedMs = performance.now()
    const outcome = await fetchCommit(order(server.sha, { maxMb: 5, deadlineMs: 8000 }, server.url))
    expect(['clone_too_large', 'timeout']).toContain(reasonOf(outcome))
    expect(performance.now() - startedMs).toBeLessThan(15_000)
    expect(usedMb()).toBeLessThan(1)
  } finally {
    server.stop()
  }
})

test('a server that says nothing more is left at the deadline', async () => {
  const server = await endless(() => {})
  try {
    const startedMs = performance.now()
    expect(reasonOf(await fetchCommit(order(server.sha, { maxMb: 5, deadlineMs: 3000 }, server.url)))).toBe('timeout')
    expect(performance.now() - startedMs).toBeLessThan(8000)
  } finally {
    server.stop()
  }
})

test.each([
  '--upload-pack=touch /tmp/taxiway-pwned',
  '-u/tmp/taxiway-pwned',
  'refs/heads/../../x',
  'refs/heads/a\nb',
  'refs/heads/a\r',
  'refs/heads/a b',
])('the ref %j is refused and does nothing', async (ref) => {
  const sha = commit(tree(`100644 blob ${blob('x')}\tx\n`))
  mkdirSync(join(folder, 'mirrors'), { recursive: true })
  expect(reasonOf(await fetchCommit({ ...order(sha, { maxMb: 5 }), ref }))).toBe('ref_invalid')
  expect(existsSync('/tmp/taxiway-pwned')).toBe(false)
})
