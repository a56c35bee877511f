import type { EmitterWebhookEvent } from '@octokit/webhooks'
import { isRefName, parseSha } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { invalid, isText, longestMessage } from './field.ts'
import type { PushDelivery } from './git-host.ts'
import { parseRepository } from './github-repository.ts'

/**
 * The push payload as GitHub describes it. The library's types keep the names of the fields right; none of them is believed
 * to be there, or to be what the type says.
 */
type PushPayload = Partial<EmitterWebhookEvent<'push'>['payload']>

/** From so many commits on, the payload may not tell all of them. */
const manyCommits = 20
/** More changed files than these are not kept: the run's record stays small. */
const mostPaths = 200
const mostPathCharacters = 16 * 1024
const longestPath = 500

/** Reads GitHub's `push` event. Fields that decide something must be what they should; those only shown may be missing. */
export function parsePush(payload: PushPayload): Outcome<PushDelivery> {
  const { head_commit: commit, after } = payload
  const told = parseRepository(payload)
  if (!told.ok) return told
  const { ref } = payload
  if (typeof ref !== 'string' || !ref.startsWith('refs/') || !isRefName(ref))
    return refuse('ref_invalid', { ref: typeof ref === 'string' ? ref.slice(0, 80) : 'What was pushed' })

  const { deleted = false } = payload
  if (typeof deleted !== 'boolean') return invalid('deleted')
  const isDeleted = deleted || (isText(after, 64) && /^(0{40}|0{64})$/.test(after))
  // What a tag with a message of its own points at is no commit: where the payload does not tell that, the checkout finds it.
  const isTag = ref.startsWith('refs/tags/')
  const tagged = isTag && isText(commit?.id, 64) ? parseSha(commit.id) : undefined
  const sha = tagged ?? (isText(after, 64) ? parseSha(after) : undefined)
  if (!sha && !isDeleted) return refuse('sha_invalid')

  // A message that can't be read could have asked to skip CI.
  const message = commit?.message ?? ''
  if (typeof message !== 'string') return invalid('head_commit.message')

  const branch = ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : undefined
  const changed = branch && !isDeleted ? changedFiles(payload) : undefined
  return done({
    kind: 'push',
    ...told.value,
    ref,
    deleted: isDeleted,
    tag: isTag,
    ...(isTag ? { tagName: ref.slice('refs/tags/'.length) } : {}),
    ...(changed ? { changed } : {}),
    ...(payload.forced === true ? { forced: true } : {}),
    message: message.slice(0, longestMessage).toWellFormed(),
    ...shown(payload),
    ...(branch ? { branch } : {}),
    ...(sha && !isDeleted ? { sha } : {}),
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

/** The files that all commits of a push together touch, or undefined when the payload does not tell all, or too many. */
function changedFiles({ commits, forced, created }: PushPayload): string[] | undefined {
  if (forced !== false || created !== false) return undefined
  if (!Array.isArray(commits) || commits.length === 0 || commits.length >= manyCommits) return undefined
  const files = new Set<string>()
  let characters = 0
  for (const commit of commits)
    for (const list of [commit?.added, commit?.modified, commit?.removed]) {
      if (!Array.isArray(list)) return undefined
      for (const path of list) {
        if (!isText(path, longestPath)) return undefined
        if (files.has(path)) continue
        files.add(path)
        characters += path.length
        if (files.size > mostPaths || characters > mostPathCharacters) return undefined
      }
    }
  return [...files]
}
