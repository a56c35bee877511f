import type { GitHost, StatusPost } from '@taxiway/git-host/git-host.ts'
import type { Fault } from '../git-host/faults.ts'
import type { gitHostScene, HookingHost } from '../world/git-host-scene.ts'

/** A kind of git host, and what stands in for one. */
export interface GitHostDriver {
  host: GitHost
  /** Starts a stand-in that speaks its API, sends its webhooks, and misbehaves on demand. */
  start(folder: string): Promise<StandIn>
  /** Its word for each state of a status. */
  words: Record<StatusPost['state'], string>
  /** Its names of the events that a repository is told of, of the first sign of life, and of one that is nothing to us. */
  events: { push: string; pullRequest: string; ping: string; other: string }
}
/** What stands in for a git host. */
export interface StandIn extends HookingHost {
  apiUrl: string
  pullRequest(name: string, options: PullRequest): Promise<unknown>
  /** Closes one without a word. */
  closePullRequest(name: string, number: number): void
  /** The newest status of each context. */
  latest(
    name: string,
    sha: string,
  ): Record<string, { state: string; description: string | null; target_url: string | null }>
  setFault(fault: Fault): void
  /** Every request so far. */
  requests: { method: string; path: string; authorization: boolean }[]
}
interface PullRequest {
  number: number
  sha: string
  branch: string
  action: 'opened' | 'synchronize' | 'closed'
  from?: string
}
export type Scene = ReturnType<typeof gitHostScene<StandIn>>
