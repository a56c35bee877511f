import { done } from '@taxiway/domain/reason.ts'
import type { GitHost } from './git-host.ts'
import { findCommit } from './github-commit.ts'
import { isPullRequestOpen } from './github-open-pull-request.ts'
import { parsePullRequest } from './github-pull-request.ts'
import { parsePush } from './github-push.ts'
import { parseMergeGroup, parsePing, parseRepositoryEvent } from './github-repository.ts'
import { parsePayload } from './payload.ts'
import { postJson } from './request.ts'
import { verifySignature } from './signature.ts'

/** GitHub, GitHub Enterprise, and what speaks like them. */
export const github: GitHost = {
  name: 'github',
  headers: { event: 'x-github-event', delivery: 'x-github-delivery', signature: 'x-hub-signature-256' },
  verify: verifySignature,
  parse(event, raw) {
    const payload = parsePayload(raw)
    if (!payload.ok) return payload
    if (event === 'ping') return parsePing(payload.value)
    if (event === 'repository') return parseRepositoryEvent(payload.value)
    if (event === 'merge_group') return parseMergeGroup(payload.value)
    if (event === 'pull_request') return parsePullRequest(payload.value)
    return event === 'push' ? parsePush(payload.value) : done({ kind: 'other', event })
  },
  findCommit,
  isPullRequestOpen,
  // docs.github.com/rest/commits/statuses: POST /repos/{owner}/{repo}/statuses/{sha}
  postStatus: (account, { repository, sha, state, context, description, targetUrl }, { signal }) =>
    postJson(
      `${account.apiUrl}/repos/${repository}/statuses/${sha}`,
      { state, context, description, target_url: targetUrl },
      account.token,
      signal,
    ),
}

/**
 * The repository names that the bytes seem to be about, eight at most. Nothing is parsed or believed: the names only
 * choose whose secret the signature is checked with.
 */
export function guessRepositories(raw: Buffer): string[] {
  const names = new Set<string>()
  for (const match of raw.toString('latin1').matchAll(/"full_name"\s{0,8}:\s{0,8}"([\w.-]{1,100}\/[\w.-]{1,100})"/g)) {
    names.add((match[1] as string).toLowerCase())
    if (names.size === 8) break
  }
  return [...names]
}

/** As with names, the host's own numbers of the repositories that the bytes seem to be about, eight at most. */
export function guessRepositoryIds(raw: Buffer): number[] {
  const ids = new Set<number>()
  const told = raw
    .toString('latin1')
    .matchAll(/"repo(?:sitory)?"\s{0,8}:\s{0,8}\{\s{0,8}"id"\s{0,8}:\s{0,8}(\d{1,15})\b/g)
  for (const match of told) {
    ids.add(Number(match[1]))
    if (ids.size === 8) break
  }
  return [...ids]
}
