import type { EmitterWebhookEvent } from '@octokit/webhooks'
import { isShortRefName, parseSha } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { invalid, isText, longestMessage } from './field.ts'
import type { HostDelivery } from './git-host.ts'

/** What each payload tells of its repository. */
interface Told {
  repository?: { id?: unknown; full_name?: unknown; default_branch?: unknown } | null | undefined
}

/** The repository that a payload is about: its name, its number, its default branch. A name decides something, so it must be one. */
export function parseRepository({
  repository,
}: Told): Outcome<{ repository: string; repositoryId?: number; defaultBranch?: string }> {
  const name = repository?.full_name
  if (!isText(name, 200) || !/^[\w.-]+\/[\w.-]+$/.test(name)) return invalid('repository.full_name')
  const id = repository?.id
  const defaultBranch = repository?.default_branch ?? undefined
  if (defaultBranch !== undefined && !isBranch(defaultBranch)) return invalid('repository.default_branch')
  return done({
    repository: name,
    ...(typeof id === 'number' && Number.isSafeInteger(id) && id > 0 ? { repositoryId: id } : {}),
    ...(defaultBranch === undefined ? {} : { defaultBranch }),
  })
}

export const isBranch = (value: unknown): value is string => isText(value, 1024) && isShortRefName(value)

/** GitHub's `ping`: the first that a new webhook hears. One of an organization has no repository. */
export function parsePing(payload: Told): Outcome<HostDelivery> {
  const told = parseRepository(payload)
  if (!told.ok) return done({ kind: 'ping' })
  const { defaultBranch: _, ...repository } = told.value
  return done({ kind: 'ping', ...repository })
}

/** GitHub's `repository` event: `renamed` and `transferred` are followed (docs.github.com/webhooks/webhook-events-and-payloads#repository). */
export function parseRepositoryEvent(payload: Told & { action?: unknown; changes?: unknown }): Outcome<HostDelivery> {
  if (payload.action !== 'renamed' && payload.action !== 'transferred')
    return done({ kind: 'other', event: 'repository' })
  const told = parseRepository(payload)
  if (!told.ok) return told
  const { defaultBranch: _, ...repository } = told.value
  const [owner = '', name = ''] = repository.repository.split('/')
  const { changes } = payload as { changes?: { repository?: { name?: { from?: unknown } }; owner?: { from?: Owner } } }
  const oldName = changes?.repository?.name?.from
  const { user, organization } = changes?.owner?.from ?? {}
  const oldOwner = organization?.login ?? user?.login
  const from = isText(oldName, 100) ? `${owner}/${oldName}` : isText(oldOwner, 100) ? `${oldOwner}/${name}` : undefined
  return done({ kind: 'repository_moved', ...repository, ...(from === undefined ? {} : { from }) })
}

type Owner = { user?: { login?: unknown } | null; organization?: { login?: unknown } | null }
type MergeGroup = Partial<EmitterWebhookEvent<'merge_group'>['payload']>

/** GitHub's `merge_group` event: a queue wants its branch checked, which is a push of that branch; or it is through with it. */
export function parseMergeGroup(payload: MergeGroup): Outcome<HostDelivery> {
  const { action, merge_group: group } = payload
  if (action !== 'checks_requested') return done({ kind: 'other', event: 'merge_group' })
  const told = parseRepository(payload)
  if (!told.ok) return told
  const ref: unknown = group?.head_ref
  const branch = isText(ref, 1024) && ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : undefined
  if (!isBranch(branch)) return invalid('merge_group.head_ref')
  const head: unknown = group?.head_sha
  const sha = isText(head, 64) ? parseSha(head) : undefined
  if (!sha) return refuse('sha_invalid')
  const message: unknown = group?.head_commit?.message
  const author: unknown = group?.head_commit?.author?.name
  return done({
    kind: 'push',
    ...told.value,
    ref: `refs/heads/${branch}`,
    branch,
    sha,
    deleted: false,
    tag: false,
    message: isText(message, Number.POSITIVE_INFINITY) ? message.slice(0, longestMessage).toWellFormed() : '',
    author: isText(author, Number.POSITIVE_INFINITY) ? author.slice(0, 200).toWellFormed() : '',
  })
}
