import { oneLine, type Reason, reason } from '@taxiway/domain/reason.ts'
import type { FetchOrder } from './fetch-order.ts'
import type { GitResult } from './git.ts'
import { retryAfterMs } from './retry-after.ts'
import type { CloneUrl } from './url.ts'

export interface FetchFailure {
  reason: Reason
  /** Nothing says that the other side is at fault, so the mirror may be. */
  mirrorBroken: boolean
}

/** Of git's words only the last are looked at, in characters. */
const mostWords = 16_384

const isGone = /not our ref|couldn't find remote ref|unadvertised object|no such remote ref/i
const isRedirect = /returned error: 30[12378]/
const isRefusal =
  /Authentication failed|could not read (Username|Password)|returned error: 40[13]|terminal prompts disabled/i
const isInvalid = /^error: object [0-9a-f]+: (.+)$/m
const isOtherSide =
  /unable to access|returned error|RPC failed|early EOF|hung up|disconnect|repository .*not found|protocol error|expected flush|bad line length|not valid: is this a git repository|transport '.*' not allowed|curl|dumb http/i

/** What git's words mean: those of git 2.39's own messages (LANG=C), and of the usual servers. `answers` are the headers that git traced. */
export function whyFetchFailed(
  { stderr: said, timedOut, answers = '' }: Pick<GitResult, 'stderr' | 'timedOut'> & { answers?: string },
  { sha, limits }: Pick<FetchOrder, 'sha' | 'limits'>,
  { url }: Pick<CloneUrl, 'url'>,
): FetchFailure {
  const { host } = new URL(url)
  // The other side writes into it too, as much as it likes.
  const stderr = said.slice(-mostWords)
  const is = (why: Reason, mirrorBroken = false) => ({ reason: why, mirrorBroken })
  const afterMs = retryAfterMs(answers, Date.now())
  const unavailable = (detail: string): Reason => ({
    ...reason('git_unavailable', {
      host,
      detail: oneLine(detail, 200).replace(/\.$/, '') || 'git failed without a word',
    }),
    ...(afterMs === undefined ? {} : { retryAfterMs: afterMs }),
  })
  // The URL is left out: a repository may be called "returned error: 403".
  const words = stderr.replaceAll(url, '').replace(/'https?:[^']*'/g, "''")
  if (timedOut) return is(reason('timeout', { step: 'Checkout', seconds: Math.round(limits.deadlineMs / 1000) }))
  if (isGone.test(words)) return is(reason('commit_not_found', { sha }))
  if (isRedirect.test(words)) return is(reason('git_redirected', { host }))
  if (isRefusal.test(words)) return is(reason('git_auth_failed', { host }))
  if (/No space left/i.test(words)) return is(reason('disk_full', { where: 'the builder' }))
  const invalid = isInvalid.exec(words)?.[1]
  if (invalid) return is(reason('content_invalid', { detail: oneLine(invalid, 200) }))
  const last = stderr.split('\n').findLast((line) => /^(fatal|error|remote):/.test(line)) ?? stderr
  return is(unavailable(last.replace(/^(fatal|error|remote): /, '')), !isOtherSide.test(words))
}
