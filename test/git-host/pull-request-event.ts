import { ownerOf, type Repository, showRepository } from './repositories.ts'

export interface PullRequestOptions {
  number: number
  sha: string
  /** Branch that it comes from, and the one that it wants into. */
  branch: string
  base?: string
  title?: string
  action?: 'opened' | 'synchronize' | 'reopened' | 'closed'
  /** owner/name of the repository that it comes from; this one, unless told; null when that is gone. */
  from?: string | null
}

/** The body of GitHub's `pull_request` event (docs.github.com/webhooks/webhook-events-and-payloads#pull_request). */
export function pullRequestEvent(repository: Repository, options: PullRequestOptions) {
  const { number, sha, branch, base = repository.defaultBranch, title = 'Change', action = 'opened' } = options
  const { from = repository.fullName } = options
  const shown = showRepository(repository)
  const sender = ownerOf(repository)
  return {
    action,
    number,
    pull_request: {
      number,
      state: action === 'closed' ? ('closed' as const) : ('open' as const),
      title,
      user: sender,
      html_url: `${repository.htmlUrl}/pull/${number}`,
      head: {
        ref: branch,
        sha,
        label: `${(from ?? 'unknown').split('/')[0]}:${branch}`,
        repo: from === null ? null : { ...shown, full_name: from, fork: from !== repository.fullName },
      },
      base: { ref: base, label: `${sender.login}:${base}`, repo: shown },
    },
    repository: shown,
    sender,
  }
}
