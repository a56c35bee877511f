import type { Run } from '@taxiway/domain/run/run.ts'
import type { SaidStatus } from '@taxiway/store/status/statuses.ts'

/**
 * For what a run's verdict on its commit holds: the branch, tag or pull request, and whether its code is trusted. Of runs for the
 * same the newest counts.
 */
export function subjectOf({ branch, tag, pullRequest, trusted }: Run): string {
  const trust = trusted === false ? 'untrusted ' : ''
  if (pullRequest) return `${trust}pull/${pullRequest.number}`
  if (tag !== undefined) return `${trust}tags/${tag}`
  return `${trust}${branch === '' ? 'commit' : `heads/${branch}`}`
}

/**
 * What a commit's context says when runs for several branches, tags or pull requests have a verdict: the worst of them, of equals the newest.
 * What untrusted code came to is told only where nothing else was: it makes no red commit green, and no green one red.
 */
export function worstOf(said: readonly SaidStatus[]): SaidStatus | undefined {
  const trusted = said.filter(({ isTrusted }) => isTrusted)
  const heard = trusted.length > 0 ? trusted : said
  return heard.toSorted((a, b) => b.weight - a.weight || b.sequence - a.sequence)[0]
}
