import { spawn } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { cleanEnvironment, readRefs } from './git.ts'
import type { Repository } from './repositories.ts'

export interface RefChange {
  ref: string
  before: string | undefined
  after: string | undefined
}

/**
 * Answers one git request with `git http-backend` (git-scm.com/docs/git-http-backend).
 * @returns the references that a push has changed, once the backend has ended; the response does not wait for that
 */
export async function serveGit(
  request: IncomingMessage,
  response: ServerResponse,
  where: { root: string; repository: Repository; rest: string; query: string },
): Promise<RefChange[]> {
  const { repository } = where
  if (request.method !== 'POST' || where.rest !== '/git-receive-pack') {
    await runBackend(request, response, where)
    return []
  }
  const push = repository.lastPush.then(async () => {
    const before = await readRefs(repository.folder)
    await runBackend(request, response, where)
    return changes(before, await readRefs(repository.folder))
  })
  repository.lastPush = push.catch(() => undefined)
  return push
}

const changes = (before: Map<string, string>, after: Map<string, string>): RefChange[] =>
  [...new Set([...before.keys(), ...after.keys()])]
    .map((ref) => ({ ref, before: before.get(ref), after: after.get(ref) }))
    .filter((change) => change.before !== change.after)

function runBackend(
  request: IncomingMessage,
  response: ServerResponse,
  { root, repository, rest, query }: { root: string; repository: Repository; rest: string; query: string },
): Promise<void> {
  if (response.destroyed) return Promise.resolve()
  const { headers } = request
  const env = cleanEnvironment({
    GIT_PROJECT_ROOT: root,
    GIT_HTTP_EXPORT_ALL: '1',
    PATH_INFO: `/${repository.fullName}.git${rest}`,
    QUERY_STRING: query,
    REQUEST_METHOD: request.method ?? 'GET',
    CONTENT_TYPE: headers['content-type'] ?? '',
    REMOTE_ADDR: request.socket.remoteAddress ?? '',
    ...(headers['content-length'] ? { CONTENT_LENGTH: headers['content-length'] } : {}),
    ...(headers['content-encoding'] ? { HTTP_CONTENT_ENCODING: headers['content-encoding'] } : {}),
    ...(typeof headers['git-protocol'] === 'string' ? { GIT_PROTOCOL: headers['git-protocol'] } : {}),
    ...(repository.token !== undefined ? { REMOTE_USER: repository.fullName.split('/')[0] as string } : {}),
  })
  const child = spawn('git', ['http-backend'], { env, stdio: ['pipe', 'pipe', 'ignore'] })
  request.pipe(child.stdin.on('error', () => request.resume()))
  response.once('close', () => response.writableFinished || child.kill('SIGTERM'))
  child.stdout.on('data', answerFrom(response, child.stdout))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => {
      if (!response.headersSent) response.writeHead(500)
      response.end()
      resolve()
    })
  })
}

/** Reads the head of a CGI answer (RFC 3875, 6.2), then streams the body as it comes. */
function answerFrom(response: ServerResponse, source: NodeJS.ReadableStream): (chunk: Buffer) => void {
  let head = Buffer.alloc(0)
  response.once('close', () => source.resume())
  return (chunk) => {
    if (response.headersSent) return void send(chunk)
    head = Buffer.concat([head, chunk])
    const end = /\r?\n\r?\n/.exec(head.toString('latin1'))
    if (!end) return
    const fields = head.toString('latin1', 0, end.index).split(/\r?\n/)
    const pairs = fields.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
    })
    const status = Number.parseInt(pairs.find(([name]) => name === 'status')?.[1] ?? '200', 10)
    response.writeHead(status, Object.fromEntries(pairs.filter(([name]) => name !== 'status')))
    send(head.subarray(end.index + end[0].length))
  }

  function send(part: Buffer): void {
    if (part.length === 0 || response.destroyed || response.write(part)) return
    source.pause()
    response.once('drain', () => source.resume())
  }
}
