import type { IncomingMessage } from 'node:http'
import { findCommit, git } from './git.ts'
import type { makeHooks } from './hooks.ts'
import { mayEnter, type Repository, showRepository } from './repositories.ts'
import { type Answer, combined, type makeStatuses } from './statuses.ts'

export interface RestDeps {
  find(fullName: string): Repository | undefined
  statuses: ReturnType<typeof makeStatuses>
  hooks: ReturnType<typeof makeHooks>
}

const said = (status: number, message: string): Answer => ({ status, body: { message, status: String(status) } })

/** Paths of the REST API: GitHub Enterprise's, and those of api.github.com. */
export const isRest = (path: string): boolean => /^\/(api|repos)\//.test(path)

/** Answers a request of the REST API with GitHub's rules. */
export async function serveRest(request: IncomingMessage, path: string, deps: RestDeps): Promise<Answer> {
  const [, fullName = '', rest = ''] = /^(?:\/api\/v3)?\/repos\/([^/]+\/[^/]+)(?:\/(.+))?$/.exec(path) ?? []
  const repository = deps.find(fullName)
  if (!repository) return said(404, 'Not Found')
  if (!mayEnter(repository, request.headers.authorization)) {
    return said(401, request.headers.authorization ? 'Bad credentials' : 'Requires authentication')
  }
  const isPost = request.method === 'POST'
  if (!isPost && request.method !== 'GET') return said(404, 'Not Found')
  const answer = await (isPost ? write(request, rest, repository, deps) : read(rest, repository, deps))
  return answer ?? said(404, 'Not Found')
}

async function write(
  request: IncomingMessage,
  rest: string,
  repository: Repository,
  { statuses, hooks }: RestDeps,
): Promise<Answer | undefined> {
  const [, id, delivery] = /^hooks\/(\d+)\/deliveries\/(\d+)\/attempts$/.exec(rest) ?? []
  if (id) return Number(id) === repository.webhook?.id ? hooks.redeliver(repository, Number(delivery)) : undefined
  const sha = /^statuses\/([^/]+)$/.exec(rest)?.[1]
  if (!sha && rest !== 'hooks') return undefined
  const body = await readJson(request)
  if (body === undefined) return said(400, 'Problems parsing JSON')
  return sha ? statuses.create(repository, sha, body) : hooks.create(repository, body)
}

async function read(rest: string, repository: Repository, { statuses, hooks }: RestDeps): Promise<Answer | undefined> {
  if (rest === '') return { status: 200, body: showRepository(repository) }
  if (rest === 'hooks') return hooks.list(repository)
  // docs.github.com/rest/pulls/pulls#get-a-pull-request
  const pull = repository.pulls.get(Number(/^pulls\/(\d+)$/.exec(rest)?.[1]))
  if (pull) return { status: 200, body: pull }
  const hook = /^hooks\/(\d+)\/deliveries$/.exec(rest)?.[1]
  if (hook) return Number(hook) === repository.webhook?.id ? hooks.attempts(repository) : undefined
  const [, name, kind] = /^commits\/(.+)\/(status|statuses)$/.exec(rest) ?? []
  if (!name) return rest.startsWith('commits/') ? readCommit(rest.slice('commits/'.length), repository) : undefined
  const commit = await findCommit(repository.folder, name)
  if (!commit) return kind === 'status' ? undefined : said(422, `No commit found for SHA: ${name}`)
  const { fullName } = repository
  if (kind === 'statuses') return { status: 200, body: statuses.list(fullName, commit).toReversed() }
  const latest = Object.values(statuses.latest(fullName, commit))
  return {
    status: 200,
    body: { state: combined(latest), sha: commit, total_count: latest.length, statuses: latest },
  }
}

/** docs.github.com/rest/commits/commits#get-a-commit, by a name, `heads/<branch>` or `tags/<tag>`. */
async function readCommit(name: string, repository: Repository): Promise<Answer> {
  const sha = await findCommit(repository.folder, name)
  if (!sha) return said(422, `No commit found for SHA: ${name}`)
  const format = ['%an', '%ae', '%cI', '%B'].join('%x00')
  const log = await git(repository.folder, ['log', '-1', `--format=${format}`, sha, '--'])
  const [author, email, date, message] = log.split('\0')
  return { status: 200, body: { sha, commit: { author: { name: author, email, date }, message: message?.trimEnd() } } }
}

/** The parsed body, or undefined when it is no JSON. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  for await (const chunk of request) parts.push(chunk as Buffer)
  try {
    return JSON.parse(Buffer.concat(parts).toString())
  } catch {
    return undefined
  }
}
