import type { EmitterWebhookEvent } from '@octokit/webhooks'
import { isRefName, parseSha } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { GitHost, HostDelivery } from './git-host.ts'
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
    if (event === 'ping') return done({ kind: 'ping' })
    return event === 'push' ? parsePush(payload.value) : done({ kind: 'other', event })
  },
  // docs.github.com/rest/commits/statuses: POST /repos/{owner}/{repo}/statuses/{sha}
  postStatus: (account, { repository, sha, state, context, description, targetUrl }, { signal }) =>
    postJson(
      `${account.apiUrl}/repos/${repository}/statuses/${sha}`,
      { state, context, description, target_url: targetUrl },
      account.token,
      signal,
    ),
}

/** The fields of GitHub's push payload that we read; none of them is believed to be there. */
type PushPayload = Partial<EmitterWebhookEvent<'push'>['payload']>

const text = (value: unknown, limit: number): string | undefined =>
  typeof value === 'string' && value.length <= limit ? value : undefined

function parsePush(payload: PushPayload): Outcome<HostDelivery> {
  const repository = text(payload.repository?.full_name, 200)
  if (!repository || !/^[\w.-]+\/[\w.-]+$/.test(repository))
    return refuse('body_invalid', { detail: 'repository.full_name is missing or malformed' })
  const ref = text(payload.ref, 255)
  if (!ref || !/^refs\//.test(ref) || !isRefName(ref))
    return refuse('ref_invalid', { ref: String(payload.ref).slice(0, 80) })
  const after = text(payload.after, 64) ?? ''
  const isDeleted = payload.deleted === true || /^0{40,64}$/.test(after)
  const sha = parseSha(after)
  if (!sha && !isDeleted) return refuse('sha_invalid')
  const defaultBranch = text(payload.repository?.default_branch, 255)
  const branch = ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : undefined
  const commit = payload.head_commit
  return done({
    kind: 'push',
    repository,
    ref,
    deleted: isDeleted,
    tag: ref.startsWith('refs/tags/'),
    message: String(commit?.message ?? '').slice(0, 4096),
    author: String(commit?.author?.username ?? commit?.author?.name ?? payload.pusher?.name ?? '').slice(0, 200),
    ...(sha ? { sha } : {}),
    ...(branch ? { branch } : {}),
    ...(defaultBranch && isRefName(defaultBranch) ? { defaultBranch } : {}),
  })
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
