import type { Verdict } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { type Cluster, type Wait, waitFor } from '../cluster/call.ts'
import { claim } from '../inventory.ts'
import type { ClusterRelease } from '../object.ts'
import { changedPairs } from './changed.ts'
import { clearOthers } from './leftover.ts'
import { type Pair, readPairs, reasonToSkip } from './pairs.ts'

/**
 * Begins to take in new pods beside the old ones: claims the environment, and clears away what other runs left beside.
 * @returns the pairs to go through, or a verdict when there is nothing to take over from, or nobody to go back to
 */
export async function beginBeside(
  cluster: Cluster,
  release: ClusterRelease,
  timeoutMs: number,
  wait: Wait,
): Promise<Outcome<{ pairs: Pair[] } | { verdict: Verdict }>> {
  const claimed = await claim(cluster, release, wait)
  if (!claimed.ok) return claimed
  const cleared = await clearOthers(cluster, release, waitFor(timeoutMs, wait))
  if (!cleared.ok) return cleared
  if (cleared.value)
    return done({ verdict: { healthy: false, detail: `${cleared.value}: the version before is not ready` } })
  const pairs = await readPairs(cluster, release, wait)
  if (!pairs.ok) return pairs
  const isNew = reasonToSkip(pairs.value) === undefined
  const changed = isNew ? await changedPairs(cluster, release, pairs.value, wait) : pairs
  if (!changed.ok) return changed
  const skipped = changed.value.length === 0 ? 'no Deployment gets other pods' : reasonToSkip(changed.value)
  if (!skipped) return done({ pairs: changed.value })
  wait.say(skipped)
  return done({ verdict: { healthy: true, ready: skipped } })
}
