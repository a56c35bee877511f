import { done, factsOf, type Outcome, type Reason, refuse, refuseAll } from '@taxiway/domain/reason.ts'
import { additionsTo } from '../adopt/additions.ts'
import { foreign, handOver, mayTake } from '../adopt/adopt.ts'
import { takeAdditions } from '../adopt/take-additions.ts'
import { type Answer, type Cluster, messageOf, type Status, type Wait } from '../cluster/call.ts'
import { readOwnedPods } from '../health/owned.ts'
import { claim, stale, stillOurs } from '../inventory.ts'
import { ensureNamespace } from '../namespace.ts'
import {
  type ClusterRelease,
  describe,
  generationOf,
  isNewer,
  isOurs,
  type KubeObject,
  keys,
  pathOf,
  refOf,
} from '../object.ts'
import { autoscalersFor, keptReplicas, type Scalers, withLiveReplicas } from './autoscalers.ts'
import { wayOut } from './immutable.ts'
import { isLeftAlone, isReplaced, marked } from './job.ts'
import { leftoversIn, ownLeftovers } from './leftovers.ts'
import { putInOrder } from './list-order.ts'
import { awaitRemoved, replaceJob } from './make-way.ts'
import { fieldManager, isUnowned, own, ownAim } from './ownership.ts'
import { isPausedByHand, resumed } from './paused.ts'
import { deleteObject } from './prune.ts'
import { isOwnership, refusal } from './refusal.ts'

const applyType = 'application/apply-patch+yaml'
const dryRunsAtOnce = 4
/** How often an object may change under our hands before we give up. */
const writeTries = 20

/**
 * Asks the server whether it would take every object (server-side apply with dryRun=All): schema, validation, admission,
 * quota. Makes the namespace if it is missing, changes nothing else. All objects that would fail are named.
 */
export async function dryRunRelease(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  const namespace = await ensureNamespace(cluster, release, wait)
  if (!namespace.ok) return namespace
  const current = await stillOurs(cluster, release, wait)
  if (!current.ok) return current
  // What it is watched by must be readable before anything is touched.
  const kinds = release.objects.map(({ kind }) => kind)
  const pods = await readOwnedPods(cluster, { namespace: release.namespace, kinds }, wait)
  if (!pods.ok) return pods
  const refused: Reason[] = []
  for (let at = 0; at < release.objects.length; at += dryRunsAtOnce) {
    const some = release.objects.slice(at, at + dryRunsAtOnce)
    const outcomes = await Promise.all(some.map((object) => dryRunObject(cluster, object, release, wait)))
    for (const outcome of outcomes) {
      if (outcome.ok) continue
      // Who is late, or cut off, learns nothing by asking on.
      if (factsOf(outcome.reason.code).fault === 'outage' || outcome.reason.code === 'stale_generation') return outcome
      refused.push(outcome.reason)
    }
  }
  return refuseAll(refused) ?? done(undefined)
}

async function dryRunObject(
  cluster: Cluster,
  object: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<void>> {
  const live = await readLive(cluster, object, release, wait)
  if (!live.ok) return live
  const before = live.value
  if (before?.metadata.deletionTimestamp) {
    const removed = await awaitRemoved(cluster, release, before, wait)
    return removed.ok ? dryRunObject(cluster, object, release, wait) : removed
  }
  if (before && isLeftAlone(before, object, release)) return done(undefined)
  const trial = before && isReplaced(before, object, release) ? renamed(object) : object
  const force = before !== undefined && isForced(before, release)
  const answer = await patch(cluster, trial, { force, dryRun: true }, release, wait)
  if (!answer.ok) return answer
  if (answer.value.status < 300) return done(undefined)
  if (!before || !force || !isInTheWay(before, object, answer.value)) return refusal(object, answer.value)
  const anew = await patch(cluster, renamed(object), { force, dryRun: true }, release, wait)
  if (!anew.ok) return anew
  return anew.value.status < 300 ? done(undefined) : refusal(object, anew.value)
}

/** Are fields taken from others? Of what is ours, and of what an admin wants taken over. */
const isForced = (live: KubeObject, release: ClusterRelease): boolean =>
  isOurs(live, release) || release.adopt !== undefined

/** May it be what the server filled in, and an apply leaves, that the object can't be together with what is wanted? */
const isInTheWay = (live: KubeObject, object: KubeObject, { status, body }: Answer<Status>): boolean =>
  status === 422 && wayOut(object, messageOf(body)) === undefined && leftoversIn(live, object) !== undefined

/** Whether what takes another's place, or gets rid of what is there, would be taken is asked under another name. */
const renamed = (object: KubeObject): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, name: `${object.metadata.name.slice(0, 52)}-trial` },
})

/**
 * Puts every object in place, in order. Claims the environment first, and writes each object only as it was read: a newer
 * release that comes in between is met as a conflict, read, and left alone (`stale_generation`).
 */
export async function applyRelease(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  const claimed = await claim(cluster, release, wait)
  if (!claimed.ok) return claimed
  const scalers = await autoscalersFor(cluster, release, wait)
  if (!scalers.ok) return scalers
  for (const object of release.objects) {
    const applied = await applyObject(cluster, object, release, wait, scalers.value)
    if (!applied.ok) return applied
    wait.say(`${describe(object)} ${applied.value}`)
  }
  return done(undefined)
}

/**
 * Puts one object in place, as it was read: a newer one is left alone (`stale_generation`), an unchanged Job too.
 * @returns what was done, in words
 */
export async function applyObject(
  cluster: Cluster,
  object: KubeObject,
  release: ClusterRelease,
  wait: Wait,
  scalers: Scalers = new Map(),
): Promise<Outcome<string>> {
  for (let tries = 0; tries < writeTries; ) {
    const live = await readLive(cluster, object, release, wait)
    if (!live.ok) return live
    const before = live.value
    if (before?.metadata.deletionTimestamp) {
      const gone = await awaitRemoved(cluster, release, before, wait)
      if (!gone.ok) return gone
      continue
    }
    if (before && isLeftAlone(before, object, release)) return done('is the same and left alone')
    if (before && isReplaced(before, object, release)) {
      const gone = await replaceJob(cluster, release, before, wait)
      if (!gone.ok) return gone
      continue
    }
    const sent = withLiveReplicas(marked(object), live.value, scalers)
    const written = live.value
      ? await update(cluster, sent, live.value, release, wait)
      : await create(cluster, sent, release, wait)
    if (!written.ok) return written
    if (written.value) return done(live.value ? `applied${keptReplicas(object, sent, scalers)}` : 'created')
    tries++
  }
  return refuse('manifest_conflict', { object: describe(object), detail: 'it changes faster than it can be applied' })
}

/** Reads what is there now, and refuses when that is newer or not ours to change. */
async function readLive(
  cluster: Cluster,
  object: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<KubeObject | undefined>> {
  const path = pathOf(release.namespace, refOf(object))
  const answer = await cluster.call<KubeObject>({ method: 'GET', path }, wait)
  if (!answer.ok) return answer
  if (answer.value.status !== 200)
    return answer.value.status === 404 ? done(undefined) : refusal(object, answer.value as Answer<Status>)
  const live = answer.value.body
  if (isOurs(live, release)) {
    const held = { generation: generationOf(live), runId: live.metadata.annotations?.[keys.run] }
    return isNewer(held, release) ? stale(release, held.generation) : done(live)
  }
  return mayTake(live, release) ? done(live) : foreign(live)
}

/** @returns false when somebody made it first */
async function create(
  cluster: Cluster,
  object: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const path = pathOf(release.namespace, { apiVersion: object.apiVersion, kind: object.kind })
  const made = await cluster.call<KubeObject>(
    { method: 'POST', path, query: { fieldManager }, body: object, may403: true },
    wait,
  )
  if (!made.ok) return made
  if (made.value.status === 409) return done(false)
  if (made.value.status !== 201) return refusal(object, made.value as unknown as Answer<Status>)
  const current = await stillOurs(cluster, release, wait)
  if (current.ok) return isUnowned(made.value.body) ? own(cluster, made.value.body, release, wait) : done(true)
  await deleteObject(cluster, release.namespace, made.value.body, wait)
  return current
}

/** @returns false when it was changed or removed since it was read */
async function update(
  cluster: Cluster,
  object: KubeObject,
  live: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean>> {
  if (isUnowned(live)) {
    const owned = await own(cluster, live, release, wait)
    return owned.ok ? done(false) : owned
  }
  if (release.adopt && !isOurs(live, release)) {
    const taken = await handOver(cluster, live, release, wait)
    if (!taken.ok || taken.value) return taken.ok ? done(false) : taken
  }
  const added = isOurs(live, release) ? additionsTo(live, object, cluster.controllers) : []
  const taken = await takeAdditions(cluster, live, added, release, wait)
  if (!taken.ok) return taken
  if (taken.value) {
    for (const { by, pointer } of added) wait.say(`${describe(object)}: ${pointer}, which ${by} added, goes`)
    return done(false)
  }
  const isPaused = isPausedByHand(object, live)
  if (isPaused) wait.say(`${describe(object)} is paused (kubectl rollout pause): this release resumes it`)
  const wanted = isPaused ? resumed(object) : object
  // The version makes a write in between a conflict; the uid keeps the server from making a removed object anew.
  const { resourceVersion, uid } = live.metadata
  const body = { ...wanted, metadata: { ...object.metadata, resourceVersion, uid } } as KubeObject
  const answer = await patch(cluster, body, { force: isForced(live, release), dryRun: false }, release, wait)
  if (!answer.ok) return answer
  const { status } = answer.value
  if (status < 300) {
    const written = answer.value.body as unknown as KubeObject
    const ordered = await putInOrder(cluster, object, written, release, wait)
    return ordered.ok && ordered.value ? ownAim(cluster, object, written, release, wait) : ordered
  }
  if (isOurs(live, release) && isInTheWay(live, object, answer.value)) {
    const owned = await ownLeftovers(cluster, object, live, release, wait)
    if (!owned.ok || owned.value) return owned.ok ? done(false) : owned
  }
  const isChanged = status === 409 && !isOwnership(answer.value.body)
  const isGone = status === 404 && live.apiVersion === object.apiVersion
  return isChanged || isGone ? done(false) : refusal(object, answer.value)
}

/** What is ours is made as the manifest says; what was there before us is not taken from its owner. */
export const patch = (
  cluster: Cluster,
  object: KubeObject,
  { force, dryRun }: { force: boolean; dryRun: boolean },
  release: ClusterRelease,
  wait: Wait,
) =>
  cluster.call<Status>(
    {
      method: 'PATCH',
      path: pathOf(release.namespace, refOf(object)),
      query: {
        fieldManager,
        fieldValidation: 'Strict',
        force: String(force),
        ...(dryRun ? { dryRun: 'All' } : {}),
      },
      body: object,
      contentType: applyType,
      may403: true,
    },
    wait,
  )
