import type { EmitterWebhookEvent } from '@octokit/webhooks'
import { parseSha } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { invalid, isText, longestMessage } from './field.ts'
import type { HostDelivery } from './git-host.ts'
import { isBranch, parseRepository } from './github-repository.ts'

/** As GitHub describes it; as with pushes, no field is believed to be there or to be what the type says. */
type PullRequestPayload = Partial<EmitterWebhookEvent<'pull_request'>['payload']>

/** What changes the code of a pull request. */
const actions: readonly unknown[] = ['opened', 'synchronize', 'reopened']

/** Reads GitHub's `pull_request` event: new code, or the end. What comes from another repository, or one that is gone, is a fork's. */
export function parsePullRequest(payload: PullRequestPayload): Outcome<HostDelivery> {
  const { action, pull_request: pull } = payload
  // Another branch to go into makes another merge of the same commits.
  const { changes } = payload as { changes?: { base?: unknown } }
  const isRetargeted = action === 'edited' && changes?.base !== undefined
  if (action !== 'closed' && !isRetargeted && !actions.includes(action))
    return done({ kind: 'other', event: 'pull_request' })
  const told = parseRepository(payload)
  if (!told.ok) return told
  const { repository: name, repositoryId } = told.value
  const number: unknown = pull?.number
  if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 1) return invalid('pull_request.number')
  if (action === 'closed')
    return done({ kind: 'pull_request_closed', repository: name, ...(repositoryId ? { repositoryId } : {}), number })
  const base = pull?.base?.ref
  if (!isBranch(base)) return invalid('pull_request.base.ref')
  const branch = pull?.head?.ref
  if (!isBranch(branch)) return invalid('pull_request.head.ref')
  const head: unknown = pull?.head?.sha
  const sha = isText(head, 64) ? parseSha(head) : undefined
  if (!sha) return refuse('sha_invalid')
  const title: unknown = pull?.title ?? ''
  if (typeof title !== 'string') return invalid('pull_request.title')
  const from: unknown = pull?.head?.repo?.full_name
  const login: unknown = pull?.user?.login
  return done({
    kind: 'pull_request',
    ...told.value,
    number,
    base,
    branch,
    sha,
    fork: !isText(from, 200) || from.toLowerCase() !== name.toLowerCase(),
    message: title.slice(0, longestMessage).toWellFormed(),
    author: isText(login, 200) ? login.toWellFormed() : '',
  })
}
