import type { Sha } from '@taxiway/domain/ids.ts'
import type { Outcome } from '@taxiway/domain/reason.ts'

/** A push as a git host tells it. `branch` is absent for tags and other refs, `before` for new refs, `sha` for deletions. */
export interface PushDelivery {
  kind: 'push'
  /** owner/name */
  repository: string
  /** The host's own number of it. */
  repositoryId?: number
  defaultBranch?: string
  ref: string
  branch?: string
  before?: Sha
  /** The branch lost commits by it. */
  forced?: boolean
  sha?: Sha
  deleted: boolean
  tag: boolean
  /** Without `refs/tags/`. */
  tagName?: string
  /** Files that the push changed, when the host told all of them and they are not too many. */
  changed?: string[]
  /** Message of the newest commit; empty when the host sent none. */
  message: string
  author: string
  /** Who pushed, by the host's own account. */
  sender?: { id: number; login: string }
  /** The host's page of what changed; an http(s) URL. */
  compareUrl?: string
}
/** A pull request that was opened, opened again, or got new commits. */
export interface PullRequestDelivery {
  kind: 'pull_request'
  /** owner/name of the repository that it wants into. */
  repository: string
  repositoryId?: number
  defaultBranch?: string
  number: number
  /** Branch that it wants into. */
  base: string
  /** Branch that it comes from. */
  branch: string
  sha: Sha
  /** It comes from another repository, or from one that is gone. */
  fork: boolean
  /** Its title. */
  message: string
  author: string
}
/** A pull request that was merged or closed. */
interface PullRequestEnd {
  kind: 'pull_request_closed'
  /** owner/name of the repository that it wanted into. */
  repository: string
  repositoryId?: number
  number: number
}
/** A repository that was renamed, or given to another owner. */
interface RepositoryMove {
  kind: 'repository_moved'
  /** owner/name that it has now, */
  repository: string
  repositoryId?: number
  /** and the one that it had, as far as the host tells. */
  from?: string
}
/** What a webhook call is about. */
export type HostDelivery =
  | PushDelivery
  | PullRequestDelivery
  | PullRequestEnd
  | RepositoryMove
  | { kind: 'ping'; repository?: string; repositoryId?: number }
  | { kind: 'other'; event: string }

/** Where statuses go and with what right. */
export interface Account {
  apiUrl: string
  token: string | undefined
}
export interface StatusPost {
  /** owner/name */
  repository: string
  sha: string
  context: string
  state: 'pending' | 'success' | 'failure' | 'error'
  description: string
  targetUrl: string
}
/** posted: it holds. retry: later, not before `afterMs`. refused: never. unauthorized: not with this token. */
export type StatusResult =
  | { kind: 'posted' }
  | { kind: 'retry'; afterMs?: number; detail: string }
  | { kind: 'refused'; httpStatus: number; detail: string }
  | { kind: 'unauthorized' }

/** A commit as the git host names it. */
export interface FoundCommit {
  sha: Sha
  /** Of a branch, its name; of a tag, its name. */
  branch?: string
  tag?: string
  defaultBranch: string
  message: string
  author: string
}

/** One kind of git host: what its webhooks look like and how it takes statuses. */
export interface GitHost {
  name: 'github'
  /** Names of the headers, in lower case. */
  headers: { event: string; delivery: string; signature: string }
  /** Did one of the secrets sign exactly these bytes? */
  verify(raw: Buffer, signature: string | undefined, secrets: readonly string[]): boolean
  /** Reads verified bytes. Only what is used is looked at; anything else may be whatever it is. */
  parse(event: string, raw: Buffer): Outcome<HostDelivery>
  /** The commit that a branch, a tag or a commit's name stands for; without any, that of the default branch. */
  findCommit(
    account: Account,
    repository: string,
    wanted: { branch?: string; tag?: string; sha?: string },
    options: { signal: AbortSignal },
  ): Promise<Outcome<FoundCommit>>
  /** Is the pull request open? Refuses when the host can't be asked, or does not say. */
  isPullRequestOpen(
    account: Account,
    repository: string,
    number: number,
    options: { signal: AbortSignal },
  ): Promise<Outcome<boolean>>
  postStatus(account: Account, status: StatusPost, options: { signal: AbortSignal }): Promise<StatusResult>
}
