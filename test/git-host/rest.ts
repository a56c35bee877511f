import type { IncomingMessage } from 'node:http'
import { findCommit } from './git.ts'
import { mayEnter, type Repository } from './repositories.ts'
import { type Answer, combined, type makeStatuses } from './statuses.ts'

const said = (status: number, message: string): Answer => ({ status, body: { message, status: String(status) } })

/** Answers a request under /api/v3 with the rules of GitHub's REST API. */
export async function serveRest(
  request: IncomingMessage,
  path: string,
  held: { find: (fullName: string) => Repository | undefined; statuses: ReturnType<typeof makeStatuses> },
): Promise<Answer> {
  const [, fullName = '', rest = ''] = /^\/api\/v3\/repos\/([^/]+\/[^/]+)\/(.+)$/.exec(path) ?? []
  const repository = held.find(fullName)
  if (!repository) return said(404, 'Not Found')
  if (!mayEnter(repository, request.headers.authorization)) {
    return said(401, request.headers.authorization ? 'Bad credentials' : 'Requires authentication')
  }
  const sha = /^statuses\/([^/]+)$/.exec(rest)?.[1]
  if (sha && request.method === 'POST') {
    const body = await readJson(request)
    return body === undefined ? said(400, 'Problems parsing JSON') : held.statuses.create(repository, sha, body)
  }
  const [, name, kind] = /^commits\/(.+)\/(status|statuses)$/.exec(rest) ?? []
  if (!name || request.method !== 'GET') return said(404, 'Not Found')
  const commit = await findCommit(repository.folder, name)
  if (!commit) return kind === 'status' ? said(404, 'Not Found') : said(422, `No commit found for SHA: ${name}`)
  if (kind === 'statuses') return { status: 200, body: held.statuses.list(fullName, commit).toReversed() }
  const statuses = Object.values(held.statuses.latest(fullName, commit))
  return { status: 200, body: { state: combined(statuses), sha: commit, total_count: statuses.length, statuses } }
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
