import { globMatcher } from './glob.ts'
import { type Reason, reason } from './reason.ts'

/** The part of a push that decides whether it starts a run. */
export interface Push {
  branch?: string
  tag: boolean
  tagName?: string
  deleted: boolean
  message: string
  defaultBranch?: string
}

/** What an admin lets start runs. */
export interface TriggerRules {
  branches?: readonly string[]
  tags?: readonly string[]
  pullRequests?: 'none' | 'members' | 'all'
}

/**
 * Why this push starts nothing, or undefined when it starts a run. Without rules only the default branch does.
 * A message that asks to skip CI is honoured, as on other CI services. A branch of a merge queue is as good as the one it is for.
 */
export function ignoredReason(push: Push, { branches, tags = [] }: TriggerRules): Reason | undefined {
  if (push.deleted) return push.tag ? reason('ignored_tag_deleted') : reason('ignored_branch_deleted')
  const tag = push.tagName ?? ''
  if (push.branch === undefined && !(push.tag && matchesName(tag, tags))) return reason('ignored_tag', { tag })
  const queued = push.branch === undefined ? undefined : queuedFor(push.branch)
  // A queue waits for an answer, whatever the messages of its commits say.
  if (queued === undefined && asksToSkip(push.message)) return reason('ignored_skip_ci')
  if (push.branch === undefined) return undefined
  const name = queued ?? push.branch
  const isWanted = branches ? matchesName(name, branches) : isDefaultBranch(name, push.defaultBranch)
  return isWanted ? undefined : reason('ignored_branch', { branch: push.branch })
}

/**
 * Does a commit's message ask to skip CI? GitHub's own marks
 * (docs.github.com/actions/how-tos/manage-workflow-runs/skip-workflow-runs): five words in brackets, or a trailer.
 */
export const asksToSkip = (message: string): boolean =>
  /\[(skip ci|ci skip|no ci|skip actions|actions skip)\]/i.test(message) ||
  message
    .slice(-longestTrailers)
    .split(/\r?\n/)
    .some((line) => /^skip-checks: ?true$/i.test(line.trimEnd()))

/** Trailers stand at the end of a message: so many characters of it are looked at. */
const longestTrailers = 1000

/** The branch that a merge queue's own branch is to become, as GitHub names them: `gh-readonly-queue/main/pr-1-<sha>`. */
export const queuedFor = (branch: string): string | undefined =>
  /^gh-readonly-queue\/(.+)\/pr-\d+-[0-9a-f]{40,64}$/.exec(branch)?.[1]

/** Why this pull request starts nothing, or undefined when it starts a run. */
export function ignoredPullRequest(
  pull: { number: number; fork: boolean },
  { pullRequests = 'none' }: TriggerRules,
): Reason | undefined {
  if (pullRequests === 'none') return reason('ignored_pull_request')
  return pull.fork && pullRequests !== 'all' ? reason('fork_needs_approval', { number: pull.number }) : undefined
}

/** Is a branch or tag among the globs? The last that matches decides; one that begins with `!` leaves out. */
export const matchesName = (name: string, globs: readonly string[]): boolean => globMatcher(globs)(name)

/** Is it the default branch, or what that is called where nobody told? */
export const isDefaultBranch = (branch: string, defaultBranch: string | undefined): boolean =>
  defaultBranch ? branch === defaultBranch : branch === 'main' || branch === 'master'

/**
 * Makes the question whether a file is among the globs, as with names; `./` or `/` before one is the root of the repository, and
 * a folder with `/` after it is all that is in it.
 */
export const pathMatcher = (globs: readonly string[]): ((file: string) => boolean) =>
  globMatcher(globs.map((glob) => glob.replace(/^(!?)(?:\.?\/)+/, '$1').replace(/\/$/, '/**')))

/** Is one of the changed files among the paths? Unknown changes touch everything. */
export const touches = (changed: string[] | undefined, paths: string[] | undefined): boolean =>
  changed === undefined || paths === undefined || changed.some(pathMatcher(paths))
