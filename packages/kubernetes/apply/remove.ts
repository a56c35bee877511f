import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { deleteInventory, type Place, readInventory } from '../inventory.ts'
import { removeNamespace } from '../namespace.ts'
import { pruneWhole } from '../steps/whole.ts'

/**
 * Removes a preview: its namespace with all that is in it, if that says that it was made for it. Where somebody has taken that
 * mark off, only the objects that its releases had, as far as they hold no data. What is gone already is success.
 */
export async function removePreview(
  cluster: Cluster,
  place: Place,
  stillHeld: () => Promise<boolean>,
  wait: Wait,
): Promise<Outcome<void>> {
  const whole = await removeNamespace(cluster, place, stillHeld, wait)
  if (!whole.ok || whole.value) return whole.ok ? done(undefined) : whole
  const known = await readInventory(cluster, place, wait)
  if (!known.ok || !known.value) return known.ok ? done(undefined) : known
  // Above all that was given, so that everything is left over.
  const empty = { ...place, runId: '', generation: known.value.generation + 1, objects: [], digests: [] }
  const pruned = await pruneWhole(cluster, empty, { how: 'all' }, wait)
  return pruned.ok ? deleteInventory(cluster, place, wait) : pruned
}
