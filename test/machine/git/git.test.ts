import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { RepositoryId, Sha } from '@taxiway/domain/ids.ts'
import { git as runGit } from '@taxiway/git/git.ts'
import { type FetchOrder, fetchCommit } from '@taxiway/git/mirror.ts'
import { exportTree, listTree, readBlob } from '@taxiway/git/tree.ts'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

const token = 'ghs_SampleTokenThatMustNotShow'
const credentials = Buffer.from(`x-access-token:${token}`).toString('base64')
const repositoryId = 'repo_00000000000000000000' as RepositoryId
const pwned = '/tmp/taxiway-git-test-pwn'
const environment = {
  PATH: process.env.PATH ?? '',
  HOME: '/nonexistent',
  GIT_CONFIG_GLOBAL: '/dev/null',
  ...Object.fromEntries(
    ['AUTHOR', 'COMMITTER'].flatMap((who) => [
      [`GIT_${who}_NAME`, 'Sample'],
      [`GIT_${who}_EMAIL`, 'sample@example.com'],
    ]),
  ),
}

let folder = ''
let bare = ''
let work = ''
let server: Server
let servers: Server[] = []
let requests: IncomingMessage[] = []
/** Bytes that went out. */
let sent = 0
/** Comes before the git server; true: it has answered. */
let intercept: (request: IncomingMessage, response: ServerResponse) => boolean = () => false
let passProtocol = true

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'taxiway-git-'))
  bare = join(folder, 'host/o/r.git')
  work = join(folder, 'work')
  mkdirSync(bare, { recursive: true })
  mkdirSync(work)
  sh(folder, 'init', '-q', '--bare', '-b', 'main', bare)
  sh(folder, 'init', '-q', '-b', 'main', work)
  rmSync(pwned, { force: true })
  requests = []
  sent = 0
  passProtocol = true
  intercept = () => false
  server = await listen((request, response) => {
    requests.push(request)
    if (!intercept(request, response)) serveGit(request, response)
  })
})
afterEach(() => {
  for (const each of servers) {
    each.closeAllConnections()
    each.close()
  }
  servers = []
  expect(existsSync(pwned)).toBe(false)
  rmSync(folder, { recursive: true, force: true })
})

const sh = (cwd: string, ...args: string[]) =>
  execFileSync('git', args, { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    .toString()
    .trim()
async function listen(handler: RequestListener): Promise<Server> {
  const made = createServer(handler).listen(0, '127.0.0.1')
  await once(made, 'listening')
  servers.push(made)
  return made
}
const originOf = (of: Server) => `http://127.0.0.1:${(of.address() as AddressInfo).port}`

/** git-scm.com/docs/git-http-backend */
function serveGit(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://host')
  const { headers } = request
  const backend = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      ...environment,
      GIT_PROJECT_ROOT: join(folder, 'host'),
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: headers['content-type'] ?? '',
      ...(headers['content-encoding'] ? { HTTP_CONTENT_ENCODING: headers['content-encoding'] } : {}),
      ...(passProtocol && headers['git-protocol'] ? { GIT_PROTOCOL: String(headers['git-protocol']) } : {}),
    },
  })
  request.pipe(backend.stdin.on('error', () => {}))
  response.on('close', () => backend.kill())
  let head = Buffer.alloc(0)
  backend.stdout.on('data', (chunk: Buffer) => {
    if (response.headersSent) {
      sent += chunk.length
      return void response.write(chunk)
    }
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    const fields = head.toString('latin1', 0, end).split('\r\n')
    const pairs = fields.map((line) => line.split(/: (.*)/s, 2) as [string, string])
    response.writeHead(
      Number.parseInt(pairs.find(([name]) => name === 'Status')?.[1] ?? '200', 10),
      Object.fromEntries(pairs.filter(([name]) => name !== 'Status')),
    )
    sent += head.length - end - 4
    response.write(head.subarray(end + 4))
  })
  backend.stdout.on('end', () => response.end())
}

const write = (path: string, text: string | Buffer) => {
  mkdirSync(dirname(join(work, path)), { recursive: true })
  writeFileSync(join(work, path), text)
}
function push(message = 'A change', branch = 'main'): Sha {
  sh(work, 'add', '-A')
  sh(work, 'commit', '-q', '--allow-empty', '-m', message)
  sh(work, 'push', '-q', '--force', bare, `HEAD:refs/heads/${branch}`)
  return sh(work, 'rev-parse', 'HEAD') as Sha
}
/** Pushes a tree made of entries that no working folder could have. */
function pushTree(entries: string): Sha {
  const object = (args: string[], input: string) =>
    execFileSync('git', args, { cwd: bare, env: environment, input }).toString().trim()
  const tree = object(['mktree', '--missing', '-z'], entries)
  const sha = object(['commit-tree', tree, '-m', 'A tree'], '')
  sh(bare, 'update-ref', 'refs/heads/main', sha)
  return sha as Sha
}
const blob = (text: string) =>
  execFileSync('git', ['hash-object', '-w', '--stdin'], { cwd: bare, env: environment, input: text }).toString().trim()

const order = (sha: string, more: Partial<FetchOrder> = {}): FetchOrder => ({
  folder: join(folder, 'mirrors'),
  repositoryId,
  url: `${originOf(server)}/o/r.git`,
  token,
  sha: sha as Sha,
  ref: 'refs/heads/main',
  limits: { maxMb: 100, deadlineMs: 20_000 },
  allowedOrigins: [originOf(server)],
  signal: new AbortController().signal,
  ...more,
})
const fetched = async (sha: string, more: Partial<FetchOrder> = {}) => {
  const mirror = await fetchCommit(order(sha, more))
  if (!mirror.ok) throw new Error(`${mirror.reason.code}: ${mirror.reason.message}`)
  return mirror.value
}
const codeOf = async (sha: string, more: Partial<FetchOrder> = {}) => {
  const mirror = await fetchCommit(order(sha, more))
  return mirror.ok ? 'ok' : mirror.reason.code
}
const mirrorFolder = () => join(folder, 'mirrors', repositoryId)
const exported = async (sha: Sha, limits: object = {}) => {
  const to = join(folder, 'out')
  const tree = await exportTree(await fetched(sha), sha, to, { maxFiles: 10_000, maxMb: 100, ...limits })
  return { to, code: tree.ok ? 'ok' : tree.reason.code, message: tree.ok ? '' : tree.reason.message }
}
const gone = 'dead'.repeat(10)

// Fetching

test('exactly the commit is fetched, even when the branch has moved on, and a second time without network', async () => {
  write('a.txt', 'one')
  const first = push()
  write('a.txt', 'two')
  push()
  const mirror = await fetched(first)
  expect((await readBlob(mirror, first, 'a.txt', { maxBytes: 100 })).ok).toBe(true)
  const before = requests.length
  await fetched(first)
  expect(requests.length).toBe(before)
})

test('a changed line in 2,000 files sends a few objects, and the tree is laid out in no time', async () => {
  for (let i = 0; i < 2000; i++) write(`d${i % 50}/f${i}.txt`, `file ${i} ${Math.sin(i)}\n`.repeat(20))
  const first = push()
  await fetched(first)
  const whole = sent
  write('d7/f7.txt', 'changed\n')
  const second = push()
  sent = 0
  const startedMs = performance.now()
  const mirror = await fetched(second)
  const fetchedMs = performance.now() - startedMs
  expect(whole).toBeGreaterThan(100_000)
  expect(sent).toBeLessThan(10_000)
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
  for (const name of ['gone', 'file-to-folder', 'file-to-link', 'folder']) rmSync(join(work, name), { recursive: true })
  write('changed', 'CHANGED\n')
  write('file-to-folder/in', 'in\n')
  symlinkSync('/etc', join(work, 'file-to-link'))
  write('folder', 'a file now\n')
  chmodSync(join(work, 'mode'), 0o755)
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
  expect(requests.length).toBeLessThan(14)
})

test('a server that gives no commit by name is asked for the branch, and looked through', async () => {
  passProtocol = false
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
    intercept = (request, response) => {
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
  intercept = () => true
  const startedMs = performance.now()
  expect(await codeOf(sha, { limits: { maxMb: 1, deadlineMs: 700 } })).toBe('timeout')
  await expect(fetchCommit(order(sha, { signal: AbortSignal.timeout(300) }))).rejects.toThrow()
  expect(performance.now() - startedMs).toBeLessThan(4000)
  expect(requests.length).toBe(2)
  await vi.waitFor(() => expect(processesFor(originOf(server))).toEqual([]), 3000)
})

test('what is too large is cut off while it comes, and the mirror goes on', async () => {
  write('small', 'x')
  const small = push()
  await fetched(small)
  write('big', Buffer.from(Array.from({ length: 6 * 2 ** 20 }, () => Math.random() * 256)))
  const big = push()
  expect(await codeOf(big, { limits: { maxMb: 2, deadlineMs: 20_000 } })).toBe('clone_too_large')
  rmSync(join(work, 'big'))
  write('small', 'y')
  const next = push()
  expect(await codeOf(next, { limits: { maxMb: 2, deadlineMs: 20_000 } })).toBe('ok')
})

// Where it goes, and with what

test('a redirect is refused, and the other place is not even asked', async () => {
  const sha = push()
  const seen: IncomingMessage[] = []
  const evil = await listen((request, response) => {
    seen.push(request)
    response.end()
  })
  for (const status of [301, 302, 307, 308]) {
    intercept = (request, response) => {
      response.writeHead(status, { location: `${originOf(evil)}${request.url}` }).end()
      return true
    }
    expect(await codeOf(sha, { allowedOrigins: [originOf(server), originOf(evil)] })).toBe('git_redirected')
  }
  expect(seen).toEqual([])
  expect(requests[0]?.headers.authorization).toBe(`Basic ${credentials}`)
})

test('the token goes to its origin only, through the environment: in no argument and in no file', async () => {
  const sha = push()
  const commandLines: string[] = []
  intercept = (request, response) => {
    for (const pid of readdirSync('/proc')) if (/^\d+$/.test(pid)) commandLines.push(argumentsOf(pid))
    return request.headers.authorization === undefined && !!response.writeHead(401).end()
  }
  await fetched(sha)
  expect(commandLines.some((line) => line.includes('git fetch') || line.includes('remote-http'))).toBe(true)
  expect(commandLines.join('\n')).not.toMatch(new RegExp(`${token}|${credentials}`))
  const files = globSync('**/*', { cwd: mirrorFolder(), withFileTypes: true }).filter((entry) => entry.isFile())
  expect(files.length).toBeGreaterThan(2)
  for (const file of files) {
    const text = readFileSync(join(file.parentPath, file.name), 'latin1')
    expect(text.includes(token) || text.includes(credentials)).toBe(false)
  }
  const other = await listen((request, response) => {
    requests.push(request)
    response.writeHead(404).end()
  })
  requests = []
  const remote = { origin: originOf(server), token }
  await runGit(['ls-remote', '--', `${originOf(other)}/o/r.git`], { folder: mirrorFolder(), deadlineMs: 5000, remote })
  expect(requests.map(({ headers }) => headers.authorization)).toEqual([undefined])
})

test('private and odd places see no connection', async () => {
  const { port } = server.address() as AddressInfo
  const before = await connectionsOf(server)
  const lookup = async () => ['140.82.121.4', '127.0.0.1']
  for (const url of [
    `http://127.0.0.1:${port}/o/r.git`,
    `http://127.1:${port}/o/r.git`,
    `http://0x7f000001:${port}/o/r.git`,
    `http://[::ffff:7f00:1]:${port}/o/r.git`,
    `https://127.0.0.1:${port}/o/r.git`,
    `https://flips.example.com/o/r.git`,
    'http://169.254.169.254/latest/meta-data',
    `ext::sh -c touch% ${pwned}`,
    `file://${bare}`,
    bare,
    `ssh://-oProxyCommand=touch ${pwned}/x`,
    'git@-x:o/r',
    `--upload-pack=touch ${pwned}`,
  ])
    expect([url, await codeOf('a'.repeat(40), { url, allowedOrigins: [], lookup })]).toEqual([url, 'url_not_allowed'])
  expect(await connectionsOf(server)).toBe(before)
  expect(requests).toEqual([])
})

test('git connects to the address that was checked, whatever the name says later', async () => {
  push()
  const { port } = server.address() as AddressInfo
  const origin = `http://git.example.com:${port}`
  const call = { folder, deadlineMs: 5000, remote: { origin, pin: `git.example.com:${port}:127.0.0.1` } }
  const listed = await runGit(['ls-remote', '--', `${origin}/o/r.git`], call)
  expect(listed.stdout.toString()).toContain('refs/heads/main')
})

test('options and lies in place of a commit or a ref are refused before git starts', async () => {
  for (const sha of ['HEAD', 'HEAD;id', `--upload-pack=touch ${pwned}`, 'abc1234', '0'.repeat(40)])
    expect(await codeOf(sha)).toBe('sha_invalid')
  for (const ref of [`--upload-pack=touch ${pwned}`, '-u', 'a..b', 'a\nb', 'a\rb', 'refs/heads/-x', 'a b', 'a:b', ''])
    expect([ref, await codeOf('a'.repeat(40), { ref })]).toEqual([ref, 'ref_invalid'])
  expect(requests).toEqual([])
})

test('without a remote, git reaches nothing, not even a file', async () => {
  push()
  for (const url of [`file://${bare}`, bare, `ext::sh -c touch% ${pwned}`, `${originOf(server)}/o/r.git`]) {
    const listed = await runGit(['ls-remote', '--', url], { folder, deadlineMs: 5000 })
    expect(listed.exitCode).not.toBe(0)
    expect(listed.stderr).toMatch(/not allowed/)
  }
})

// Kept mirrors

test('commits fetched at once into one mirror, by two processes, all arrive', async () => {
  const shas: Sha[] = []
  for (let i = 0; i < 6; i++) {
    write('n', String(i))
    shas.push(push())
  }
  const script = join(folder, 'fetch.ts')
  const module = (name: string) => JSON.stringify(join(import.meta.dirname, '../../../packages/git', name))
  writeFileSync(
    script,
    `import { fetchCommit } from ${module('mirror.ts')}
     const orders = JSON.parse(process.argv[2] ?? '')
     const all = await Promise.all(orders.map((order: object) => fetchCommit({ ...order, signal: new AbortController().signal } as never)))
     console.log(all.map((mirror) => (mirror.ok ? 'ok' : mirror.reason.message)).join())`,
  )
  const run = async (part: Sha[]) => {
    const child = spawn(process.execPath, [script, JSON.stringify(part.map((sha) => order(sha)))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let out = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    await once(child, 'close')
    return out.trim()
  }
  expect(await Promise.all([run(shas.slice(0, 4)), run(shas.slice(2))])).toEqual(['ok,ok,ok,ok', 'ok,ok,ok,ok'])
})

test('a worker killed in the middle of a fetch costs the next one nothing', async () => {
  write('big', Buffer.from(Array.from({ length: 2 ** 20 }, () => Math.random() * 256)))
  const sha = push()
  let held: ServerResponse | undefined
  intercept = (request, response) => {
    if (request.method === 'POST') {
      response.writeHead(200, { 'content-type': 'application/x-git-upload-pack-result' })
      held = response
      return true
    }
    return false
  }
  const script = join(folder, 'fetch.ts')
  writeFileSync(
    script,
    `import { fetchCommit } from ${JSON.stringify(join(import.meta.dirname, '../../../packages/git/mirror.ts'))}
     await fetchCommit({ ...JSON.parse(process.argv[2] ?? ''), signal: new AbortController().signal })`,
  )
  const child = spawn(process.execPath, [script, JSON.stringify(order(sha))], { stdio: 'ignore' })
  await vi.waitFor(() => expect(held).toBeDefined(), 10_000)
  const all = processesFor(originOf(server))
  expect(all.length).toBeGreaterThan(1)
  for (const pid of all) process.kill(pid, 'SIGKILL')
  await once(child, 'close')
  // What a killed git leaves.
  for (const left of ['shallow.lock', 'HEAD.lock', 'objects/pack/tmp_pack_abcdef'])
    writeFileSync(join(mirrorFolder(), left), '')
  expect(existsSync(`${mirrorFolder()}.lock`)).toBe(true)
  intercept = () => false
  const startedMs = performance.now()
  const lines: string[] = []
  expect(await codeOf(sha, { onLine: (line) => lines.push(line) })).toBe('ok')
  expect(lines).toEqual([expect.stringMatching(/^fetching/)])
  expect(performance.now() - startedMs).toBeLessThan(3000)
  expect(existsSync(join(mirrorFolder(), 'objects/pack/tmp_pack_abcdef'))).toBe(false)
})

test('a broken mirror is made anew, and a repository around it is left alone', async () => {
  sh(folder, 'init', '-q')
  write('a', 'one')
  const first = push()
  await fetched(first)
  const breaks: (() => void)[] = [
    () => rmSync(join(mirrorFolder(), 'HEAD')),
    () => writeFileSync(join(mirrorFolder(), 'HEAD'), 'garbage'),
    () => rmSync(join(mirrorFolder(), 'objects/pack'), { recursive: true }),
    () => {
      for (const pack of globSync('objects/pack/*.pack', { cwd: mirrorFolder() })) {
        rmSync(join(mirrorFolder(), pack), { force: true })
        writeFileSync(join(mirrorFolder(), pack), 'PACK')
      }
    },
    () => writeFileSync(join(mirrorFolder(), 'shallow'), 'garbage\n'),
  ]
  for (const [index, damage] of breaks.entries()) {
    damage()
    write('a', `after ${index}`)
    const next = push()
    expect([index, await codeOf(next)]).toEqual([index, 'ok'])
    expect(await readBlob({ folder: mirrorFolder() }, next, 'a', { maxBytes: 100 })).toMatchObject({ ok: true })
    expect([index, await codeOf(first)]).toEqual([index, 'ok'])
  }
  expect(sh(folder, 'for-each-ref')).toBe('')
  expect(existsSync(join(folder, '.git/shallow'))).toBe(false)
})

test('a mirror whose files are damaged is taken away when that shows, so that the next try gets them', async () => {
  write('a', Buffer.from(Array.from({ length: 100_000 }, () => Math.random() * 256)))
  const sha = push()
  await fetched(sha)
  const [pack] = globSync('objects/pack/*.pack', { cwd: mirrorFolder() })
  const path = join(mirrorFolder(), pack as string)
  execFileSync('chmod', ['u+w', path])
  const bytes = readFileSync(path)
  writeFileSync(path, bytes.fill(0x55, 50_000, 51_000))
  const tries = async () => {
    const mirror = await fetchCommit(order(sha))
    return mirror.ok && (await readBlob(mirror.value, sha, 'a', { maxBytes: 200_000 })).ok
  }
  expect(await tries().catch(() => tries())).toBe(true)
})

test('old commits are forgotten, those in use stay', async () => {
  const shas: Sha[] = []
  for (let i = 0; i < 42; i++) {
    write('n', String(i))
    shas.push(push())
  }
  for (const sha of shas.slice(0, 41)) await fetched(sha)
  const refs = join(mirrorFolder(), 'refs/taxiway')
  const old = new Date(Date.now() - 3 * 60 * 60_000)
  for (const sha of shas.slice(0, 41)) utimesSync(join(refs, sha), old, old)
  await fetched(shas[0] as Sha)
  await fetched(shas[41] as Sha)
  expect(readdirSync(refs)).toHaveLength(20)
  expect(readdirSync(refs)).toEqual(expect.arrayContaining([shas[0], shas[41]]))
  const before = requests.length
  expect((await readBlob({ folder: mirrorFolder() }, shas[0] as Sha, 'n', { maxBytes: 10 })).ok).toBe(true)
  expect(requests.length).toBe(before)
  expect(await codeOf(shas[3] as Sha)).toBe('ok')
})

// Foreign content

test('hooks, filters and submodules of a repository do nothing', async () => {
  write('.gitattributes', '*.txt filter=pwn\n*.bin filter=lfs diff=lfs\n')
  write('a.txt', 'plain\n')
  write('b.bin', 'version https://git-lfs.github.com/spec/v1\n')
  write('.githooks/post-checkout', `#!/bin/sh\ntouch ${pwned}\n`)
  write('.gitconfig', `[filter "pwn"]\n\tsmudge = touch ${pwned}\n`)
  write('.lfsconfig', '[lfs]\n\turl = http://127.0.0.1:1/\n')
  write('.gitmodules', `[submodule "s"]\n\tpath = s\n\turl = ${originOf(server)}/o/r.git\n`)
  sh(work, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},s`)
  const sha = push()
  sh(work, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},s`)
  sh(work, 'commit', '-q', '-m', 'A submodule')
  sh(work, 'push', '-q', bare, 'HEAD:refs/heads/main')
  const { to, code } = await exported(sh(work, 'rev-parse', 'HEAD') as Sha)
  expect(code).toBe('ok')
  expect(sha).not.toBe('')
  expect(readFileSync(join(to, 'a.txt'), 'utf8')).toBe('plain\n')
  expect(readFileSync(join(to, 'b.bin'), 'utf8')).toMatch(/^version https/)
  expect(readdirSync(join(to, 's'))).toEqual([])
  expect(existsSync(join(to, '.git'))).toBe(false)
})

test('a name that means .git is not written, in whatever spelling', async () => {
  const object = blob('x')
  for (const name of ['.git', '.GIT', 'git~1', '.git\u200c']) {
    const sha = pushTree(`100644 blob ${object}\t${name}\0`)
    const mirror = await fetchCommit(order(sha))
    if (!mirror.ok) continue
    expect([name, (await exported(sha)).code]).toEqual([name, 'path_outside_repo'])
  }
  const link = pushTree(`120000 blob ${blob('/etc')}\t.git\0`)
  const mirror = await fetchCommit(order(link))
  expect(mirror.ok && (await exported(link)).code).not.toBe('ok')
})

test('a link and a folder of one name write nothing through the link', async () => {
  const outside = join(folder, 'outside')
  mkdirSync(outside)
  const inner = execFileSync('git', ['mktree'], {
    cwd: bare,
    env: environment,
    input: `100644 blob ${blob('x')}\tpwn\n`,
  })
  const sha = pushTree(`120000 blob ${blob(outside)}\ta\x00040000 tree ${inner.toString().trim()}\ta\0`)
  const tree = await fetchCommit(order(sha))
  if (tree.ok) await exported(sha).catch(() => {})
  expect(readdirSync(outside)).toEqual([])
})

test('links are written as links, names with line breaks as they are, and modes are kept', async () => {
  write('bin/run', 'x')
  execFileSync('chmod', ['+x', join(work, 'bin/run')])
  write('new\nline', 'x')
  symlinkSync('/etc/passwd', join(work, 'link'))
  const sha = push()
  const { to } = await exported(sha)
  expect(readlinkSync(join(to, 'link'))).toBe('/etc/passwd')
  expect(lstatSync(join(to, 'bin/run')).mode & 0o111).not.toBe(0)
  expect(readFileSync(join(to, 'new\nline'), 'utf8')).toBe('x')
  expect(await listTree(await fetched(sha), sha)).toEqual(['bin/run', 'link', 'new\nline'])
})

test('a file is read through links that stay inside, and not through those that lead out', async () => {
  write('k8s/web.yaml', 'web')
  write('large', 'x'.repeat(5000))
  write('secret', 'x')
  symlinkSync('k8s/web.yaml', join(work, 'inside'))
  symlinkSync('k8s', join(work, 'folder'))
  symlinkSync('/etc/passwd', join(work, 'absolute'))
  symlinkSync('../../etc/passwd', join(work, 'k8s/up'))
  symlinkSync('loop', join(work, 'loop'))
  symlinkSync('nowhere', join(work, 'dangling'))
  const sha = push()
  const mirror = await fetched(sha)
  const read = async (path: string) => {
    const file = await readBlob(mirror, sha, path, { maxBytes: 4096 })
    return file.ok ? file.value.toString() : `${file.reason.code}: ${file.reason.message}`
  }
  expect(await read('k8s/web.yaml')).toBe('web')
  expect(await read('./inside')).toBe('web')
  expect(await read('folder/web.yaml')).toBe('web')
  expect(await read('absolute')).toBe('path_outside_repo: absolute -> /etc/passwd leads out of the repository.')
  expect(await read('k8s/up')).toBe('path_outside_repo: k8s/up -> ../etc/passwd leads out of the repository.')
  expect(await read('folder/up')).toMatch(/^path_outside_repo/)
  expect(await read('../secret')).toMatch(/^path_outside_repo/)
  for (const path of ['loop', 'dangling', 'nothing', 'k8s', '.', 'k8s/web.yaml/x'])
    expect(await read(path)).toMatch(/^file_not_found/)
  expect(await read('large')).toBe('file_too_large: large is larger than 4 KB.')
})

test('bombs are refused before anything is written', async () => {
  write('zeros', Buffer.alloc(5 * 2 ** 20))
  for (let i = 0; i < 30; i++) write(`f${i}`, 'x')
  const sha = push()
  expect(await exported(sha, { maxMb: 4 })).toMatchObject({ code: 'clone_too_large', message: /4 MB/ })
  expect(await exported(sha, { maxFiles: 30 })).toMatchObject({ code: 'clone_too_large', message: /30 files/ })
  expect(existsSync(join(folder, 'out'))).toBe(false)
  let tree = execFileSync('git', ['mktree'], { cwd: bare, env: environment, input: `100644 blob ${blob('x')}\tx\n` })
    .toString()
    .trim()
  for (let i = 0; i < 40; i++)
    tree = execFileSync('git', ['mktree'], {
      cwd: bare,
      env: environment,
      input: `040000 tree ${tree}\t${'d'.repeat(120)}\n`,
    })
      .toString()
      .trim()
  const deep = pushTree(`040000 tree ${tree}\td\0`)
  expect(await exported(deep)).toMatchObject({ code: 'clone_too_large', message: /path/ })
})

const connectionsOf = (of: Server) =>
  new Promise<number>((resolve) => of.getConnections((_error, count) => resolve(count)))
/** Processes with the text among their arguments: git, its helpers, and who started them. */
const processesFor = (text: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && argumentsOf(name).includes(text))
    .map(Number)
function argumentsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}
