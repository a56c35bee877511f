import type { Verdict } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { applyRelease } from '../apply/apply.ts'
import { type Pruning, prune } from '../apply/prune.ts'
import { unstickStatefulSets } from '../apply/unstick.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { watchRelease } from '../health/watch.ts'
import { claim } from '../inventory.ts'
import type { ClusterRelease, KubeObject } from '../object.ts'
import { besideKeys } from './beside.ts'
import { awaitBesideGone, listBeside, removeBeside } from './beside-live.ts'
import { pointedAsNow, pointHome } from './blue-green.ts'
import { clearOthers, regrow } from './leftover.ts'
import { readPairs } from './pairs.ts'
import { beginRetargeting, holdBack } from './retarget.ts'
import { firstAimOf, pointedAt, pointService, readServices } from './services.ts'

/**
 * Puts every object in place, with as many pods as there were before a strategy took some, and out of a StatefulSet's way what it would wait for. New pods beside the old ones that
 * serve already go on to serve; those that do not are taken away first.
 * @param all what the whole release holds, also in later waves
 */
export async function applyWhole(
  cluster: Cluster,
  release: ClusterRelease,
  wait: Wait,
  all: readonly KubeObject[] = release.objects,
): Promise<Outcome<void>> {
  const besides = await listBeside(cluster, release, wait)
  if (!besides.ok) return besides
  const isGreen = besides.value.some(({ metadata }) => metadata.labels?.[besideKeys.beside] === 'green')
  const freed = isGreen ? await freeServices(cluster, release, wait) : undefined
  if (freed && !freed.ok) return freed
  const isAlone = besides.value.length === 0
  const asItIs = isAlone ? await holdBack(cluster, release, all, wait) : done(release)
  const pointed = isGreen ? await pointedAsNow(cluster, release, wait) : asItIs
  if (!pointed.ok) return pointed
  const applied = await applyRelease(cluster, pointed.value, wait)
  const grown = applied.ok && besides.value.length > 0 ? await regrow(cluster, release, wait) : applied
  return grown.ok ? unstickStatefulSets(cluster, release, wait) : grown
}

/** Unless a Service sends to them, the new pods go, and Services that were held to the old ones are free again. */
async function freeServices(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  const claimed = await claim(cluster, release, wait)
  if (!claimed.ok) return claimed
  const services = await readServices(cluster, release, wait)
  if (!services.ok) return services
  if (services.value.some((one) => pointedAt(one) === 'green')) return done(undefined)
  const removed = await removeBeside(cluster, release, wait)
  if (!removed.ok) return removed
  const gone = await awaitBesideGone(cluster, release, {}, wait)
  if (!gone.ok) return gone
  for (const one of services.value.filter((service) => pointedAt(service) === 'old')) {
    const freed = await pointService(cluster, release, one.metadata.name, firstAimOf, { isOwn: true }, wait)
    if (!freed.ok) return freed
  }
  return done(undefined)
}

/**
 * Waits until a release is healthy under its own names, and has its Services send to its own pods.
 * @param all what the whole release holds, also in later waves
 */
export async function watchWhole(
  cluster: Cluster,
  release: ClusterRelease,
  wait: Wait,
  all: readonly KubeObject[] = release.objects,
): Promise<Outcome<Verdict>> {
  const retargeting = await beginRetargeting(cluster, release, all, wait)
  if (!retargeting.ok) return retargeting
  const verdict = await watchRelease(cluster, release, wait, retargeting.value.look)
  if (!verdict.ok || !verdict.value.healthy) return verdict
  const ended = await retargeting.value.end()
  if (!ended.ok) return ended
  const home = await pointHome(cluster, release, wait)
  return home.ok ? verdict : home
}

/** Removes what earlier releases had and this one has not, and what stood beside it. @returns what went, as `Kind/name` */
export async function pruneWhole(
  cluster: Cluster,
  release: ClusterRelease,
  pruning: Pruning,
  wait: Wait,
): Promise<Outcome<string[]>> {
  const beside = await removeBeside(cluster, release, wait)
  if (!beside.ok) return beside
  const pruned = await prune(cluster, release, pruning, wait)
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
