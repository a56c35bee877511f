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
 * `[skip ci]` and `[ci skip]` in the commit's message are honoured, as on other CI services.
 */
export function ignoredReason(push: Push, { branches, tags = [] }: TriggerRules): Reason | undefined {
  if (push.deleted) return reason('ignored_branch_deleted')
  const tag = push.tagName ?? ''
  if (push.branch === undefined && !(push.tag && matchesName(tag, tags))) return reason('ignored_tag', { tag })
  if (asksToSkip(push.message)) return reason('ignored_skip_ci')
  if (push.branch === undefined) return undefined
  const isWanted = branches ? matchesName(push.branch, branches) : isDefaultBranch(push.branch, push.defaultBranch)
  return isWanted ? undefined : reason('ignored_branch', { branch: push.branch })
}

const asksToSkip = (message: string) => /\[(skip ci|ci skip)\]/i.test(message)

/** Why this pull request starts nothing, or undefined when it starts a run. */
export function ignoredPullRequest(
  pull: { number: number; fork: boolean; message: string },
  { pullRequests = 'none' }: TriggerRules,
): Reason | undefined {
  if (pullRequests === 'none') return reason('ignored_pull_request')
  if (pull.fork && pullRequests !== 'all') return reason('fork_needs_approval', { number: pull.number })
  return asksToSkip(pull.message) ? reason('ignored_skip_ci') : undefined
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
