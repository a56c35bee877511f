import picomatch from 'picomatch'
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
  if (push.branch === undefined && !(push.tag && matchesBranch(tag, tags))) return reason('ignored_tag', { tag })
  if (asksToSkip(push.message)) return reason('ignored_skip_ci')
  if (push.branch === undefined) return undefined
  const wanted = branches ?? (push.defaultBranch ? [push.defaultBranch] : ['main', 'master'])
  if (!matchesBranch(push.branch, wanted)) return reason('ignored_branch', { branch: push.branch })
  return undefined
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

/** Does a branch match one of the globs? `*` stays within a path part, `**` crosses them. */
export const matchesBranch = (branch: string, globs: readonly string[]): boolean =>
  globs.some((glob) => glob === branch || picomatch.isMatch(branch, glob, { dot: true, nonegate: true }))

/** Does a file match one of the globs, and none of those after it that begin with `!`? The last that matches decides. */
export function matchesPath(file: string, globs: readonly string[]): boolean {
  const first = globs[0]?.startsWith('!') ?? false
  return globs.reduce((kept, glob) => {
    const isOut = glob.startsWith('!')
    const pattern = isOut ? glob.slice(1) : glob
    return picomatch.isMatch(file, pattern, { dot: true, nonegate: true }) ? !isOut : kept
  }, first)
}

/** Is one of the changed files among the paths? Unknown changes touch everything. */
export const touches = (changed: string[] | undefined, paths: string[] | undefined): boolean =>
  changed === undefined || paths === undefined || changed.some((file) => matchesPath(file, paths))
