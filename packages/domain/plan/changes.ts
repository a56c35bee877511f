import type { Pipeline } from '../pipeline/pipeline.ts'
import type { Run } from '../run/run.ts'
import { queuedFor } from '../trigger.ts'
import type { PlanContext } from './context.ts'

/** Does the plan depend on which files have changed? */
export const asksForChanges = ({ on, test }: Pipeline, { event = 'push' }: PlanContext): boolean =>
  ((event === 'push' || event === 'pull_request') && on?.[event]?.paths !== undefined) ||
  Object.values(test ?? {}).some(({ when }) => when?.paths !== undefined)

/**
 * What a run's commit is compared with to see what has changed: a pull request with the branch it wants into, a push with where
 * the branch was, a new branch with the default branch. Undefined for tags, runs by hand, and where there is nothing before it.
 */
export function changedSince({
  event,
  branch,
  before,
  pullRequest,
  tag,
  inputs,
  defaultBranch,
}: Run): { before: NonNullable<Run['before']> } | { base: string } | undefined {
  if (pullRequest) return { base: pullRequest.base }
  if (event === 'manual' || inputs || tag !== undefined || branch === '') return undefined
  const queued = queuedFor(branch)
  if (queued !== undefined) return { base: queued }
  if (before) return { before }
  return defaultBranch && defaultBranch !== branch ? { base: defaultBranch } : undefined
}
