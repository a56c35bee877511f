import type { Run } from './run.ts'

/**
 * The pushes by which the run's branch moved on from its commit, in whatever order their deliveries came in. Those of before
 * the branch was last set back (a forced push; this one, or one before it) do not count: since then its commit is news
 * again. None for what a person asked for.
 * @param runs the runs of the branch, in any order; what is not among them is not known
 */
export function movedOnFrom(run: Run, runs: readonly Run[]): Run[] {
  if (run.event !== 'push') return []
  const pushes = runs.filter(
    ({ event, repo, branch }) => event === 'push' && repo === run.repo && branch === run.branch,
  )
  const setBack = [...pushes, run].filter(({ forced, sequence }) => forced && sequence <= run.sequence)
  const since = Math.max(0, ...setBack.map(({ sequence }) => sequence))
  const known = pushes.filter(({ forced, sequence }) => !forced && sequence > since)
  const found = new Set<Run>()
  const shas = new Set<string>([run.sha])
  // Each that is found may lead to another that came in before it.
  for (let size = -1; size < found.size; ) {
    size = found.size
    for (const push of known)
      if (push.before !== undefined && shas.has(push.before)) {
        found.add(push)
        shas.add(push.sha)
      }
  }
  return [...found]
}

/**
 * The place of a run among those that want the same environment: its sequence of intake. One whose branch had moved on when it
 * came in was late: its place is just before the first of those pushes, and of two that were late the older commit's is first.
 */
export function placeOf(run: Run, runs: readonly Run[]): number {
  const ahead = movedOnFrom(run, runs)
  const first = Math.min(...ahead.map(({ sequence }) => sequence))
  return first < run.sequence ? first - 1 + 1 / (1 + ahead.length) : run.sequence
}
