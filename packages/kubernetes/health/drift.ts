import type { ObjectDrift } from '@taxiway/domain/environment/drift.ts'
import { done, type Outcome, oneLine } from '@taxiway/domain/reason.ts'
import { applyRelease, patch } from '../apply/apply.ts'
import { autoscalersFor, type Scalers, withLiveReplicas } from '../apply/autoscalers.ts'
import { plain } from '../apply/refusal.ts'

import { withoutJobs } from '../apply/restore.ts'
import { type Cluster, messageOf, type Status, type Wait } from '../cluster/call.ts'
import { stale } from '../inventory.ts'
import {
  type ClusterRelease,
  describe,
  generationOf,
  isNewer,
  type KubeObject,
  keys,
  pathOf,
  refOf,
} from '../object.ts'
import { differences } from './difference.ts'

const atOnce = 4

/**
 * Compares objects of the live release with what is there, by what a server-side apply of them would change: so defaults of
 * the server and fields of others are no drift, and numbers may be written in any way. Null: it would change nothing. An
 * object that changes while it is looked at is missing in the answer.
 */
export async function findDrift(
  cluster: Cluster,
  release: ClusterRelease,
  names: readonly string[],
  wait: Wait,
): Promise<Outcome<Map<string, ObjectDrift | null>>> {
  const found = new Map<string, ObjectDrift | null>()
  const objects = withoutJobs(release).objects.filter((object) => names.includes(describe(object)))
  if (objects.length === 0) return done(found)
  const scalers = await autoscalersFor(cluster, release, wait)
  if (!scalers.ok) return scalers
  for (let at = 0; at < objects.length; at += atOnce) {
    const some = objects.slice(at, at + atOnce)
    const outcomes = await Promise.all(some.map((object) => compare(cluster, release, object, scalers.value, wait)))
    for (const [index, outcome] of outcomes.entries()) {
      if (!outcome.ok) return outcome
      if (outcome.value !== undefined) found.set(describe(some[index] as KubeObject), outcome.value)
    }
  }
  return done(found)
}

async function compare(
  cluster: Cluster,
  release: ClusterRelease,
  object: KubeObject,
  scalers: Scalers,
  wait: Wait,
): Promise<Outcome<ObjectDrift | null | undefined>> {
  const name = describe(object)
  const read = await cluster.call<KubeObject>({ method: 'GET', path: pathOf(release.namespace, refOf(object)) }, wait)
  if (!read.ok) return read
  if (read.value.status === 404) return done({ object: name, change: 'deleted', fields: [] })
  const live = read.value.body
  if (read.value.status !== 200 || live.metadata.deletionTimestamp) return done(undefined)
  const held = { generation: generationOf(live), runId: live.metadata.annotations?.[keys.run] }
  if (isNewer(held, release)) return stale(release, held.generation)
  const wanted = asRead(withLiveReplicas(object, live, scalers), live)
  const answer = await patch(cluster, wanted, { force: true, dryRun: true }, release, wait)
  if (!answer.ok) return answer
  const { status, body } = answer.value
  if (status === 409 || status === 404) return done(undefined)
  if (status >= 300)
    return done({ object: name, change: 'changed', detail: oneLine(plain(messageOf(body)), 300), fields: [] })
  const fields = differences(comparable(body as unknown as KubeObject), comparable(live))
  if (fields.length === 0) return done(null)
  const by = await managersOf(cluster, release, wanted, wait)
  return done({ object: name, change: 'changed', ...(by ? { by } : {}), fields })
}

/** Only as it was read: an object that changed meanwhile is a conflict. */
const asRead = (object: KubeObject, { metadata: { resourceVersion, uid } }: KubeObject): KubeObject =>
  ({ ...object, metadata: { ...object.metadata, resourceVersion, uid } }) as KubeObject

const comparable = ({ metadata, status: _, apiVersion: __, kind: ___, ...rest }: KubeObject): object => ({
  metadata: { labels: metadata.labels, annotations: metadata.annotations },
  ...rest,
})

/** Who has the fields now, in the words of the server: what an apply without force conflicts with. */
async function managersOf(
  cluster: Cluster,
  release: ClusterRelease,
  object: KubeObject,
  wait: Wait,
): Promise<string | undefined> {
  const answer = await patch(cluster, object, { force: false, dryRun: true }, release, wait)
  if (!answer.ok || answer.value.status !== 409) return undefined
  const causes = (answer.value.body as Status).details?.causes ?? []
  const names = causes.flatMap(({ message }) => /conflict with "([^"]+)"/.exec(message ?? '')?.[1] ?? [])
  return names.length > 0 ? oneLine([...new Set(names)].join(', '), 100) : undefined
}

/** Applies the live release again, under its own generation; older and newer releases are fenced as in any roll-out. */
export const correctRelease = (cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> =>
  applyRelease(cluster, withoutJobs(release), wait)
