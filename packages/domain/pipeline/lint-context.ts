import type { PlanContext } from '../plan/context.ts'
import type { PlanEvent } from '../run/cause.ts'

/** What a pipeline file is checked for when there is no commit. */
export interface LintFor {
  /** owner/name */
  repository?: string | undefined
  /** With the event `tag`, the tag. */
  branch?: string | undefined
  event?: PlanEvent | undefined
}

/** The context of a check: a push to main, the default branch, unless told; the tag is v1.0.0 unless told, a pull request the first. */
export function lintContext({ repository = 'owner/repository', branch, event = 'push' }: LintFor): PlanContext {
  const defaultBranch = branch === 'master' ? 'master' : 'main'
  if (event === 'tag') return { repository, event, branch: defaultBranch, tag: branch ?? 'v1.0.0', defaultBranch }
  return {
    repository,
    event,
    branch: branch ?? defaultBranch,
    defaultBranch,
    ...(event === 'pull_request' ? { pull: 1 } : {}),
  }
}
