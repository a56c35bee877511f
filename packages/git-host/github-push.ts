import type { EmitterWebhookEvent } from '@octokit/webhooks'
import { isRefName, parseSha } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { PushDelivery } from './git-host.ts'

/**
 * The push payload as GitHub describes it. The library's types keep the names of the fields right; none of them is believed
 * to be there, or to be what the type says.
 */
type PushPayload = Partial<EmitterWebhookEvent<'push'>['payload']>

/** How much of a commit message is kept, in characters. */
const longestMessage = 4096

/** Reads GitHub's `push` event. Fields that decide something must be what they should; those only shown may be missing. */
export function parsePush(payload: PushPayload): Outcome<PushDelivery> {
  const { repository, head_commit: commit, after } = payload
  const name = repository?.full_name
  if (!isText(name, 200) || !/^[\w.-]+\/[\w.-]+$/.test(name)) return invalid('repository.full_name')
  const { ref } = payload
  if (typeof ref !== 'string' || !ref.startsWith('refs/') || !isRefName(ref))
    return refuse('ref_invalid', { ref: typeof ref === 'string' ? ref.slice(0, 80) : 'What was pushed' })

  const { deleted = false } = payload
  if (typeof deleted !== 'boolean') return invalid('deleted')
  const isDeleted = deleted || (isText(after, 64) && /^(0{40}|0{64})$/.test(after))
  const sha = isText(after, 64) ? parseSha(after) : undefined
  if (!sha && !isDeleted) return refuse('sha_invalid')

  // A message that can't be read could have asked to skip CI, and a default branch decides what is built.
  const message = commit?.message ?? ''
  if (typeof message !== 'string') return invalid('head_commit.message')
  const defaultBranch = repository?.default_branch ?? undefined
  if (defaultBranch !== undefined && !(isText(defaultBranch, 255) && isRefName(defaultBranch)))
    return invalid('repository.default_branch')

  const branch = ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : undefined
  return done({
    kind: 'push',
    repository: name,
    ref,
    deleted: isDeleted,
    tag: ref.startsWith('refs/tags/'),
    message: message.slice(0, longestMessage).toWellFormed(),
    ...shown(payload),
    ...(branch ? { branch } : {}),
    ...(sha && !isDeleted ? { sha } : {}),
    ...(defaultBranch === undefined ? {} : { defaultBranch }),
  })
}

/** What people are shown, and nothing is decided by: left out where it is malformed. */
function shown(payload: PushPayload): Pick<PushDelivery, 'author' | 'before' | 'sender' | 'compareUrl'> {
  const { head_commit: commit, pusher, sender, compare } = payload
  const author = [commit?.author?.username, commit?.author?.name, pusher?.name].find((name) => isText(name, Infinity))
  const before = isText(payload.before, 64) ? parseSha(payload.before) : undefined
  const compareUrl = isText(compare, 2000) && /^https?:\/\/\S+$/.test(compare) ? compare : undefined
  const id = sender?.id
  const login = sender?.login
  return {
    author: (author ?? '').slice(0, 200).toWellFormed(),
    ...(before ? { before } : {}),
    ...(typeof id === 'number' && Number.isSafeInteger(id) && isText(login, 100) ? { sender: { id, login } } : {}),
    ...(compareUrl ? { compareUrl } : {}),
  }
}

/** Is it a text of one to `limit` characters? */
const isText = (value: unknown, limit: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= limit

const invalid = (field: string) => refuse('body_invalid', { detail: `${field} is missing or malformed` })
