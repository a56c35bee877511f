import type { ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { checkPolicy } from '../policy/policy.ts'
import type { ReleaseDeps } from '../roll-out.ts'
import type { Place } from './place.ts'

/**
 * The order that a rollback gives again: all objects of an earlier release as they were stored, but for its Jobs, which have
 * done their work. Its generation is still the old one. What an admin has forbidden since is refused.
 */
export async function storedOrder(
  { run }: StageContext,
  deps: ReleaseDeps,
  { namespace, cluster, rules, isShared }: Place,
): Promise<Outcome<ReleaseOrder>> {
  const environment = deps.environment.name
  const generation = run.asked?.generation ?? 0
  const release = await deps.store.releases.read(run.repo, environment, generation)
  if (!release) return refuse('release_not_found', { environment, generation })
  const { cluster: _, pods: __, ...stored } = release.order
  const order = { ...stored, ...(cluster ? { cluster } : {}), ...(rules.pods ? { pods: rules.pods } : {}) }
  // Its digests are what its pipeline built: this very image, and no other of that name.
  const images = [...(rules.images ?? []), ...order.digests]
  const allowed = checkPolicy(order.objects, namespace, { ...rules, images, isShared, given: order.secrets })
  if (!allowed.ok) return allowed
  return done({ ...order, generation, objects: order.objects.filter(({ kind }) => kind !== 'Job') })
}
