import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Account } from './git-host.ts'
import { getJson } from './request.ts'

/**
 * Asks GitHub for the state of a pull request (docs.github.com/rest/pulls/pulls#get-a-pull-request). Only its own word counts: an
 * answer of any other form, and a 404, which is also what a token without rights is told, say nothing.
 */
export async function isPullRequestOpen(
  { apiUrl, token }: Account,
  repository: string,
  number: number,
  { signal }: { signal: AbortSignal },
): Promise<Outcome<boolean>> {
  const { host } = new URL(apiUrl)
  const found = await getJson(`${apiUrl}/repos/${repository}/pulls/${number}`, token, signal)
  if (!found.ok && (found.status === 401 || found.status === 403)) return refuse('git_auth_failed', { host })
  if (!found.ok && found.status === 404)
    return refuse('ref_not_found', { ref: `pull request ${number} in ${repository}` })
  if (!found.ok) return refuse('git_unavailable', { host, detail: found.detail })
  const { state, number: named } = (found.value ?? {}) as { state?: unknown; number?: unknown }
  if (named === number && (state === 'open' || state === 'closed')) return done(state === 'open')
  return refuse('git_unavailable', { host, detail: 'its answer can not be read' })
}
