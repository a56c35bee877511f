import { touches } from '../trigger.ts'
import { type PlanEvent, type RollOutEvent, rollOutEvents } from './cause.ts'
import type { Run } from './run.ts'

/** The git host's ref that has the run's commit. */
export function refOf({ branch, tag, pullRequest, defaultBranch }: Run): string {
  if (pullRequest) return `refs/pull/${pullRequest.number}/head`
  if (tag !== undefined) return `refs/tags/${tag}`
  return `refs/heads/${branch || defaultBranch || 'main'}`
}

/** Does a run by this event only give an environment what an earlier run made? */
export const isRollOut = (event: Run['event']): event is RollOutEvent =>
  (rollOutEvents as readonly string[]).includes(event)

/** What a run is for its pipeline: one that runs again is what it was at first. */
export function eventOf({ event, tag, pullRequest, inputs }: Run): PlanEvent {
  if (event !== 'rerun' && !isRollOut(event)) return event
  if (pullRequest) return 'pull_request'
  if (inputs) return 'manual'
  return tag === undefined ? 'push' : 'tag'
}

/**
 * Does a newer run take the place of an older one, which is planned? It is of the same branch, tag or pull request, and
 * does something, as far as that is known before it is planned itself. Runs that a person began take nobody's place.
 */
export function isNewerOf(newer: Run, older: Run): boolean {
  const isSame =
    newer.sequence > older.sequence &&
    newer.repo === older.repo &&
    newer.event === older.event &&
    newer.branch === older.branch &&
    newer.tag === older.tag &&
    newer.pullRequest?.number === older.pullRequest?.number
  if (!isSame || newer.event === 'rerun' || newer.event === 'manual' || newer.asked) return false
  if (newer.state === 'cancelled' || newer.plan?.ignored) return false
  return newer.plan !== undefined || touches(newer.changed, older.plan?.startPaths)
}
