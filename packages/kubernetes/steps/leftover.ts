import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { awaitScaled, setReplicas } from '../apply/replicas.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { type ClusterRelease, keys } from '../object.ts'
import { besideCount, besideOf } from './beside.ts'
import { awaitBesideGone, listBeside, removeBeside } from './beside-live.ts'
import { firstAimOf, pointedAt, pointedBy, pointService, readServices } from './services.ts'

/**
 * Takes away what an unfinished release left: the version before gets all its pods again and is ready before the new ones
 * go. Nothing happens when nothing was left. @returns the Deployment whose pods do not get ready, if one does not
 */
export async function clearOthers(
  cluster: Cluster,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<string | undefined>> {
  const listed = await listBeside(cluster, release, wait)
  if (!listed.ok) return listed
  const left = listed.value.filter(({ metadata }) => metadata.annotations?.[keys.run] !== release.runId)
  for (const beside of left) {
    const before = besideCount(beside, 'before')
    const scaled = await setReplicas(cluster, release, besideOf(beside), (now) => Math.max(now, before), wait)
    if (!scaled.ok) return scaled
  }
  for (const beside of left) {
    const ready = await awaitScaled(cluster, release, besideOf(beside), { allReady: true }, wait)
    if (!ready.ok) return ready
    if (!ready.value) return done(besideOf(beside))
  }
  const back = await pointBack(cluster, release, wait)
  if (!back.ok) return back
  const removed = await removeBeside(cluster, release, wait, { ofOthers: true })
  if (!removed.ok) return removed
  for (const name of removed.value) wait.say(`${name} removed, an unfinished release had left it`)
  return done(undefined)
}

/**
 * Gives Services that an unfinished release pointed elsewhere the aim they had before. New pods that got no request yet are
 * not to get any now, so they go first; from new pods that serve already, the Service goes first.
 */
async function pointBack(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  const services = await readServices(cluster, release, wait)
  if (!services.ok) return services
  const pointed = services.value.filter((one) => pointedAt(one) !== 'all' && pointedBy(one) !== release.runId)
  if (pointed.some((one) => pointedAt(one) === 'old')) {
    const removed = await removeBeside(cluster, release, wait, { ofOthers: true })
    if (!removed.ok) return removed
    const gone = await awaitBesideGone(cluster, release, { ofOthers: true }, wait)
    if (!gone.ok) return gone
  }
  for (const { metadata } of pointed) {
    const back = await pointService(cluster, release, metadata.name, firstAimOf, { isOwn: true }, wait)
    if (!back.ok) return back
  }
  return done(undefined)
}

/**
 * Gives Deployments whose manifests leave their number of pods open the number they had before the first step. To be done
 * once the objects of a release are applied.
 */
export async function regrow(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  const listed = await listBeside(cluster, release, wait)
  if (!listed.ok) return listed
  for (const beside of listed.value) {
    const object = release.objects.find(
      ({ kind, metadata }) => kind === 'Deployment' && metadata.name === besideOf(beside),
    )
    if (!object || (object.spec as { replicas?: number }).replicas !== undefined) continue
    const before = besideCount(beside, 'before')
    const scaled = await setReplicas(cluster, release, object.metadata.name, (now) => Math.max(now, before), wait)
    if (!scaled.ok) return scaled
  }
  return done(undefined)
}
