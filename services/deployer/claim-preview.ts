import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { patiently } from '@taxiway/store/connection.ts'
import { Fenced, type StageContext } from '@taxiway/store/stage.ts'
import type { ReleaseDeps } from './deploy-release.ts'
import type { Place } from './place.ts'

/** Of one repository, unless an admin says otherwise. */
const usualMost = 20

/**
 * Writes down that the environment is a preview, and where, before anything of it is made: so it is found again and removed,
 * whatever becomes of this process. `preview_quota` when it would be one too many. Any other environment passes.
 * @throws Fenced when another attempt has the environment by now
 */
export async function claimPreview(
  { run }: StageContext,
  { store, environment, holder }: ReleaseDeps,
  { namespace, cluster, target }: Place,
): Promise<Outcome<void>> {
  const { name, preview } = environment
  if (!preview) return done(undefined)
  const { of, number, ttlMs, most, url } = preview
  const repository = await patiently(() => store.repositories.read(run.repo))
  const mostInAll = repository?.deploy.previews ?? usualMost
  const kept = await patiently(() =>
    store.previews.keep(
      {
        repo: run.repo,
        environment: name,
        of,
        number,
        namespace,
        target: target.kind,
        runId: run.id,
        updatedAt: store.now().toISOString(),
        ttlMs,
        ...(cluster === undefined ? {} : { cluster }),
        ...(url === undefined ? {} : { url }),
      },
      { holder, most, mostInAll },
    ),
  )
  if (kept === 'fenced') throw new Fenced(`the roll-out to ${name} is another attempt's by now`)
  if (kept === 'full') return refuse('preview_quota', { environment: of, most })
  return kept === 'full_in_all' ? refuse('preview_quota', { most: mostInAll }) : done(undefined)
}
