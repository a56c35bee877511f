import type { Sha } from '@taxiway/domain/ids.ts'
import type { Outcome } from '@taxiway/domain/reason.ts'

/** A push as a git host tells it. `branch` is absent for tags and other refs, `before` for new refs, `sha` for deletions. */
export interface PushDelivery {
  kind: 'push'
  /** owner/name */
  repository: string
  defaultBranch?: string
  ref: string
  branch?: string
  before?: Sha
  sha?: Sha
  deleted: boolean
  tag: boolean
  /** Message of the newest commit; empty when the host sent none. */
  message: string
  author: string
  /** Who pushed, by the host's own account. */
  sender?: { id: number; login: string }
  /** The host's page of what changed; an http(s) URL. */
  compareUrl?: string
}
/** What a webhook call is about. */
export type HostDelivery = PushDelivery | { kind: 'ping' } | { kind: 'other'; event: string }

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

/** One kind of git host: what its webhooks look like and how it takes statuses. */
export interface GitHost {
  name: 'github'
  /** Names of the headers, in lower case. */
  headers: { event: string; delivery: string; signature: string }
  /** Did one of the secrets sign exactly these bytes? */
  verify(raw: Buffer, signature: string | undefined, secrets: readonly string[]): boolean
  /** Reads verified bytes. Only what is used is looked at; anything else may be whatever it is. */
  parse(event: string, raw: Buffer): Outcome<HostDelivery>
  postStatus(account: Account, status: StatusPost, options: { signal: AbortSignal }): Promise<StatusResult>
}
