import { isShortRefName, parseSha } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { isText, longestMessage } from './field.ts'
import type { Account, FoundCommit } from './git-host.ts'
import { getJson } from './request.ts'

/**
 * Asks GitHub for a commit, by its branch, its tag or its whole name (docs.github.com/rest/commits/commits#get-a-commit). Branches and
 * tags are asked for as such, so that nothing else passes for them; of a tag the answer is the commit that it leads to.
 */
export async function findCommit(
  { apiUrl, token }: Account,
  repository: string,
  wanted: { branch?: string; tag?: string; sha?: string },
  { signal }: { signal: AbortSignal },
): Promise<Outcome<FoundCommit>> {
  const base = `${apiUrl}/repos/${repository}`
  const about = await getJson(base, token, signal)
  if (!about.ok) return refused(about, apiUrl, repository, `repository ${repository}`)
  const defaultBranch = (about.value as { default_branch?: unknown } | null)?.default_branch
  if (!isText(defaultBranch, 1024) || !isShortRefName(defaultBranch)) return unreadable(apiUrl)
  const { tag } = wanted
  const branch = wanted.sha || tag !== undefined ? undefined : (wanted.branch ?? defaultBranch)
  const name = branch ?? tag
  if (name !== undefined && !isShortRefName(name)) return refuse('ref_invalid', { ref: name.slice(0, 80) })
  const ref = branch !== undefined ? `heads/${branch}` : tag !== undefined ? `tags/${tag}` : (wanted.sha ?? '')
  const path = ref.split('/').map(encodeURIComponent).join('/')
  const found = await getJson(`${base}/commits/${path}?per_page=1`, token, signal)
  const what = branch !== undefined ? `branch ${branch}` : tag !== undefined ? `tag ${tag}` : `commit ${ref}`
  if (!found.ok) return refused(found, apiUrl, repository, what)
  const { sha: told, commit } = (found.value ?? {}) as {
    sha?: unknown
    commit?: { message?: unknown; author?: { name?: unknown } | null } | null
  }
  const sha = isText(told, 64) ? parseSha(told) : undefined
  if (!sha || (wanted.sha && sha !== wanted.sha)) return unreadable(apiUrl)
  const message = commit?.message
  const author = commit?.author?.name
  return done({
    sha,
    ...(branch === undefined ? {} : { branch }),
    ...(tag === undefined ? {} : { tag }),
    defaultBranch,
    message: isText(message, Infinity) ? message.slice(0, longestMessage).toWellFormed() : '',
    author: isText(author, Infinity) ? author.slice(0, 200).toWellFormed() : '',
  })
}

function refused(
  answer: { status?: number; detail: string },
  apiUrl: string,
  repository: string,
  what: string,
): Outcome<never> {
  const { host } = new URL(apiUrl)
  if (answer.status === 401 || answer.status === 403) return refuse('git_auth_failed', { host })
  if (answer.status === 404 || answer.status === 422)
    return refuse('ref_not_found', { ref: `${what} in ${repository}` })
  return refuse('git_unavailable', { host, detail: answer.detail })
}

const unreadable = (apiUrl: string): Outcome<never> =>
  refuse('git_unavailable', { host: new URL(apiUrl).host, detail: 'its answer can not be read' })
