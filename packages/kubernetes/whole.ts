import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { applyRelease } from './apply.ts'
import { removeBeside } from './beside-live.ts'
import type { Cluster, Wait } from './cluster.ts'
import { claim, prune } from './inventory.ts'
import type { ClusterRelease } from './object.ts'
import { clearOthers, readPairs, regrow } from './pairs.ts'

/** Puts every object in place, with as many pods as there were before a strategy took some. */
export async function applyWhole(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  const applied = await applyRelease(cluster, release, wait)
  return applied.ok ? regrow(cluster, release, wait) : applied
}

/** Removes what earlier releases had and this one has not, and what stood beside it. @returns what went, as `Kind/name` */
export async function pruneWhole(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<string[]>> {
  const beside = await removeBeside(cluster, release, wait)
  if (!beside.ok) return beside
  const pruned = await prune(cluster, release, wait)
  return pruned.ok ? done([...beside.value, ...pruned.value]) : pruned
}

/**
 * Takes away what stands beside a version that nobody has a record of, and leaves that version as it was.
 * @returns undefined when there is none, or the release itself serves already; else whether that version is ready
 */
export async function backOut(
  cluster: Cluster,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean | undefined>> {
  const pairs = await readPairs(cluster, release, wait)
  if (!pairs.ok) return pairs
  if (pairs.value.some(({ isSwitched }) => isSwitched) || pairs.value.every(({ before }) => before === 0))
    return done(undefined)
  const claimed = await claim(cluster, release, wait)
  if (!claimed.ok) return claimed
  const cleared = await clearOthers(cluster, { ...release, runId: '' }, wait)
  return cleared.ok ? done(cleared.value === undefined) : cleared
}
