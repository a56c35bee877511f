import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { RepositoryId, Sha } from '@taxiway/domain/ids.ts'
import type { FetchOrder } from '@taxiway/git/fetch-order.ts'
import { fetchCommit } from '@taxiway/git/mirror.ts'
import { exportTree } from '@taxiway/git/tree.ts'
import { expect } from 'vitest'

export const token = 'ghs_SampleTokenThatMustNotShow'
export const credentials = Buffer.from(`x-access-token:${token}`).toString('base64')
export const repositoryId = 'repo_00000000000000000000' as RepositoryId
export const pwned = '/tmp/taxiway-git-test-pwn'
export const environment = {
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

/** What the tests of git share: a git host on this machine, a repository on it, and a folder that is pushed from. */
export const scene = {
  folder: '',
  bare: '',
  work: '',
  server: undefined as unknown as Server,
  requests: [] as IncomingMessage[],
  /** Bytes that went out. */
  sent: 0,
  /** Comes before the git server; true: it has answered. */
  intercept: (_request: IncomingMessage, _response: ServerResponse): boolean => false,
  passProtocol: true,
}
let servers: Server[] = []

/** Makes it anew. */
export async function openScene(): Promise<void> {
  scene.folder = mkdtempSync(join(tmpdir(), 'taxiway-git-'))
  scene.bare = join(scene.folder, 'host/o/r.git')
  scene.work = join(scene.folder, 'work')
  mkdirSync(scene.bare, { recursive: true })
  mkdirSync(scene.work)
  sh(scene.folder, 'init', '-q', '--bare', '-b', 'main', scene.bare)
  sh(scene.folder, 'init', '-q', '-b', 'main', scene.work)
  rmSync(pwned, { force: true })
  scene.requests = []
  scene.sent = 0
  scene.passProtocol = true
  scene.intercept = () => false
  scene.server = await listen((request, response) => {
    scene.requests.push(request)
    if (!scene.intercept(request, response)) serveGit(request, response)
  })
}

/** Ends it; nothing of a repository may have been run. */
export function closeScene(): void {
  for (const each of servers) {
    each.closeAllConnections()
    each.close()
  }
  servers = []
  expect(existsSync(pwned)).toBe(false)
  rmSync(scene.folder, { recursive: true, force: true })
}

export const sh = (cwd: string, ...args: string[]) =>
  execFileSync('git', args, { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    .toString()
    .trim()
export async function listen(handler: RequestListener): Promise<Server> {
  const made = createServer(handler).listen(0, '127.0.0.1')
  await once(made, 'listening')
  servers.push(made)
  return made
}
export const originOf = (of: Server) => `http://127.0.0.1:${(of.address() as AddressInfo).port}`

/** git-scm.com/docs/git-http-backend */
function serveGit(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://host')
  const { headers } = request
  const backend = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      ...environment,
      GIT_PROJECT_ROOT: join(scene.folder, 'host'),
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: headers['content-type'] ?? '',
      ...(headers['content-encoding'] ? { HTTP_CONTENT_ENCODING: headers['content-encoding'] } : {}),
      ...(scene.passProtocol && headers['git-protocol'] ? { GIT_PROTOCOL: String(headers['git-protocol']) } : {}),
    },
  })
  request.pipe(backend.stdin.on('error', () => {}))
  response.on('close', () => backend.kill())
  let head = Buffer.alloc(0)
  backend.stdout.on('data', (chunk: Buffer) => {
    if (response.headersSent) {
      scene.sent += chunk.length
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
    scene.sent += head.length - end - 4
    response.write(head.subarray(end + 4))
  })
  backend.stdout.on('end', () => response.end())
}

export const write = (path: string, text: string | Buffer) => {
  mkdirSync(dirname(join(scene.work, path)), { recursive: true })
  writeFileSync(join(scene.work, path), text)
}
export function push(message = 'A change', branch = 'main'): Sha {
  sh(scene.work, 'add', '-A')
  sh(scene.work, 'commit', '-q', '--allow-empty', '-m', message)
  sh(scene.work, 'push', '-q', '--force', scene.bare, `HEAD:refs/heads/${branch}`)
  return sh(scene.work, 'rev-parse', 'HEAD') as Sha
}
/** Pushes a tree made of entries that no working scene.folder could have. */
export function pushTree(entries: string): Sha {
  const object = (args: string[], input: string) =>
    execFileSync('git', args, { cwd: scene.bare, env: environment, input }).toString().trim()
  const tree = object(['mktree', '--missing', '-z'], entries)
  const sha = object(['commit-tree', tree, '-m', 'A tree'], '')
  sh(scene.bare, 'update-ref', 'refs/heads/main', sha)
  return sha as Sha
}
export const blob = (text: string) =>
  execFileSync('git', ['hash-object', '-w', '--stdin'], { cwd: scene.bare, env: environment, input: text })
    .toString()
    .trim()

export const order = (sha: string, more: Partial<FetchOrder> = {}): FetchOrder => ({
  folder: join(scene.folder, 'mirrors'),
  repositoryId,
  url: `${originOf(scene.server)}/o/r.git`,
  token,
  sha: sha as Sha,
  ref: 'refs/heads/main',
  limits: { maxMb: 100, deadlineMs: 20_000 },
  allowedOrigins: [originOf(scene.server)],
  signal: new AbortController().signal,
  ...more,
})
export const fetched = async (sha: string, more: Partial<FetchOrder> = {}) => {
  const mirror = await fetchCommit(order(sha, more))
  if (!mirror.ok) throw new Error(`${mirror.reason.code}: ${mirror.reason.message}`)
  return mirror.value
}
export const codeOf = async (sha: string, more: Partial<FetchOrder> = {}) => {
  const mirror = await fetchCommit(order(sha, more))
  return mirror.ok ? 'ok' : mirror.reason.code
}
export const mirrorFolder = () => join(scene.folder, 'mirrors', repositoryId)
export const exported = async (sha: Sha, limits: object = {}) => {
  const to = join(scene.folder, 'out')
  const tree = await exportTree(await fetched(sha), sha, to, { maxFiles: 10_000, maxMb: 100, ...limits })
  return { to, code: tree.ok ? 'ok' : tree.reason.code, message: tree.ok ? '' : tree.reason.message }
}
export const gone = 'dead'.repeat(10)

export const connectionsOf = (of: Server) =>
  new Promise<number>((resolve) => of.getConnections((_error, count) => resolve(count)))
/** Processes with the text among their arguments: git, its helpers, and who started them. */
export const processesFor = (text: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && argumentsOf(name).includes(text))
    .map(Number)
export function argumentsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}
