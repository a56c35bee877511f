import { movedOnFrom } from '@taxiway/domain/run/late-push.ts'
import { isNewerOf } from '@taxiway/domain/run/origin.ts'
import { neededWork, type Run } from '@taxiway/domain/run/run.ts'
import type { Store } from '@taxiway/store/store.ts'

/**
 * With `concurrency: newest`, a run takes the place of the older ones of its branch, tag or pull request, and gives way to a
 * newer one. Order comes from intake: whichever of two is planned later sees the other, so it does not matter who that is.
 * One that was late takes no place of what builds on it. What is on its way to an environment already is left to the order of releases there.
 * @returns the newer run that it gives way to
 */
export async function giveWay(store: Store, run: Run): Promise<string | undefined> {
  if (run.plan?.concurrency !== 'newest' || run.event === 'rerun' || run.event === 'manual') return undefined
  const open = await store.runs.openOf(run.repo)
  const newer = await store.runs.after(run.repo, run.sequence)
  const pushes = await store.runs.pushesOf(run)
  const isAhead = (one: Run, other: Run) =>
    isNewerOf(one, other) && !movedOnFrom(one, pushes).some(({ id }) => id === other.id)
  const by = newer.findLast((one) => isAhead(one, run))
  if (by) return describe(by)
  for (const older of open) {
    if (!isAhead(run, older) || neededWork(older) !== 'build') continue
    const who = describe(run)
    // One that nobody holds ends here; one in a worker's hands is ended by that worker, which stops its containers first.
    const asked = await store.runs.move(older.id, { type: 'supersede_requested', by: who })
    if (asked.ok && !asked.value.holder) {
      const seen = asked.value
      await store.runs.move(seen.id, { type: 'superseded', by: who }, undefined, seen)
    }
  }
  return undefined
}

const describe = (run: Run) => `run #${run.number} (${run.sha.slice(0, 7)})`
