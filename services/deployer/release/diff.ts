import { diffLines, diffObjects, type ReleaseDiff } from '@taxiway/domain/environment/diff.ts'
import type { FoundObject, ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import type { ReleaseDeps } from '../roll-out.ts'
import { isSamePlace } from './way-back.ts'

/** Compares a release with what is live, tells that in a few lines of the log, and keeps it with the run. */
export async function tellDiff(
  { run, log, hideText }: StageContext,
  deps: ReleaseDeps,
  order: ReleaseOrder,
  found: readonly FoundObject[] = [],
): Promise<void> {
  const { environment, generation } = order
  const last = await deps.store.releases.live(run.repo, environment)
  const live = last && isSamePlace(last.order, order) ? last : undefined
  const diff: ReleaseDiff = {
    environment,
    generation,
    ...(live ? { against: { generation: live.generation, sha: live.sha } } : {}),
    ...(found.length > 0 ? { found: found.length } : {}),
    ...diffObjects(withFound(live?.order, found), order),
  }
  for (const line of diffLines(diff)) log.say(`  ${line}`)
  await deps.store.diffs.keep(run.id, withoutSecrets(diff, hideText))
}

/** What was live, and what others made: as that is shown. */
const withFound = (live: ReleaseOrder | undefined, found: readonly FoundObject[]) =>
  found.length === 0 ? live : { ...live, objects: [...(live?.objects ?? []), ...found.map(({ shown }) => shown)] }

const withoutSecrets = (diff: ReleaseDiff, hide: (text: string) => string): ReleaseDiff => ({
  ...diff,
  objects: diff.objects.map((object) => ({
    ...object,
    fields: object.fields.map(({ path, before, after }) => ({
      path,
      ...(before === undefined ? {} : { before: hide(before) }),
      ...(after === undefined ? {} : { after: hide(after) }),
    })),
  })),
})
