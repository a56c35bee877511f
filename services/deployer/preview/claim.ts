import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Preview, PreviewPlace } from '@taxiway/store/environments/previews.ts'
import { Left } from '@taxiway/worker/end.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import type { Place } from '../order/place.ts'
import type { ReleaseDeps } from '../roll-out.ts'

/** Of one repository, unless an admin says otherwise. */
const usualMost = 20

/**
 * Writes down that the environment is a preview, and where, before anything of it is made: so it is found again and removed,
 * whatever becomes of this process. `preview_quota` when it would be one too many. Any other environment passes.
 * @throws Left when another attempt has the environment by now
 */
export async function claimPreview(
  { run }: StageContext,
  { store, environment, holder }: ReleaseDeps,
  { namespace, cluster, target }: Place,
): Promise<Outcome<void>> {
  const { name, preview } = environment
  if (!preview) return done(undefined)
  const { of, number, ttlMs, most, url } = preview
  const repository = await store.repositories.read(run.repo)
  const mostInAll = repository?.deploy.previews ?? usualMost
  const place = { namespace, target: target.kind, ...(cluster === undefined ? {} : { cluster }) }
  // Nobody else writes it while the environment is ours.
  const former = formerPlaces(await store.previews.read(run.repo, name), place)
  const kept = await store.previews.keep(
    {
      ...place,
      repo: run.repo,
      environment: name,
      of,
      number,
      runId: run.id,
      updatedAt: store.now().toISOString(),
      ttlMs,
      ...(url === undefined ? {} : { url }),
      ...(former.length > 0 ? { former } : {}),
    },
    { holder, most, mostInAll },
  )
  if (kept === 'fenced') throw new Left({ end: 'lost' })
  if (kept === 'full') return refuse('preview_quota', { environment: of, most })
  return kept === 'full_in_all' ? refuse('preview_quota', { most: mostInAll }) : done(undefined)
}

/** Where a preview was before, if it goes somewhere else now: a file or rule may have changed. */
export function formerPlaces(known: Preview | undefined, now: PreviewPlace): PreviewPlace[] {
  if (!known) return []
  const { namespace, target, cluster, former = [] } = known
  const last = { namespace, target, ...(cluster === undefined ? {} : { cluster }) }
  const isNow = (one: PreviewPlace) =>
    one.namespace === now.namespace && one.target === now.target && one.cluster === now.cluster
  const others = [...former, last].filter((one) => !isNow(one))
  return [...new Map(others.map((one) => [JSON.stringify(one), one])).values()]
}
