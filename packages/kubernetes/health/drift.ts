import type { FieldDrift, ObjectDrift } from '@taxiway/domain/environment/drift.ts'
import { done, type Outcome, oneLine } from '@taxiway/domain/reason.ts'
import { type Addition, additionsTo } from '../adopt/additions.ts'
import { applyRelease, patch } from '../apply/apply.ts'
import { autoscalersFor, type Scalers, withLiveReplicas } from '../apply/autoscalers.ts'
import { fieldManager } from '../apply/ownership.ts'
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
 * Compares objects of the live release with what is there, by what a server-side apply of them would change, and what people
 * added: so defaults of the server and fields of controllers are no drift, and numbers may be written in any way. Null: it
 * would change nothing. An object that changes while it is looked at is missing in the answer.
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
  // After an upgrade of the cluster nothing can be applied under the version that the release names.
  if (live.apiVersion !== object.apiVersion) return done(null)
  const wanted = asRead(withLiveReplicas(object, live, scalers), live)
  const answer = await patch(cluster, wanted, { force: true, dryRun: true }, release, wait)
  if (!answer.ok) return answer
  const { status, body } = answer.value
  if (status === 409 || status === 404) return done(undefined)
  if (status >= 300)
    return done({ object: name, change: 'changed', detail: oneLine(plain(messageOf(body)), 300), fields: [] })
  const changed = differences(comparable(body as unknown as KubeObject), comparable(live))
  const additions = additionsTo(live, wanted, cluster.controllers)
  const bare = await withoutAdditions(cluster, live, additions, release, wait)
  if (!bare.ok) return bare
  const paths = new Set(changed.map(({ path }) => path))
  const added = bare.value ? differences(comparable(bare.value), comparable(live)) : additions.map(plainField)
  const fields = [...changed, ...added.filter(({ path }) => !paths.has(path))]
  if (fields.length === 0) return done(null)
  const managers = changed.length > 0 ? await managersOf(cluster, release, wanted, wait) : []
  const by = [...new Set([...managers, ...(added.length > 0 ? additions.map((one) => one.by) : [])])]
  return done({
    object: name,
    change: 'changed',
    ...(by.length > 0 ? { by: oneLine(by.join(', '), 100) } : {}),
    fields,
  })
}

const plainField = ({ pointer }: Addition): FieldDrift => ({
  path: pointer.slice(1).replaceAll('/', '.').replaceAll('~1', '/').replaceAll('~0', '~'),
  live: 'added',
})

/**
 * The object as the server would have it without what others added: what it fills in itself stays, in its own words.
 * Undefined: it would not take it so.
 */
async function withoutAdditions(
  cluster: Cluster,
  live: KubeObject,
  additions: readonly Addition[],
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<KubeObject | undefined>> {
  if (additions.length === 0) return done(live)
  const body = [
    { op: 'replace', path: '/metadata/resourceVersion', value: live.metadata.resourceVersion },
    ...additions.map(({ pointer }) => ({ op: 'remove', path: pointer })),
  ]
  const answer = await cluster.call<KubeObject>(
    {
      method: 'PATCH',
      path: pathOf(release.namespace, refOf(live)),
      query: { dryRun: 'All', fieldManager },
      body,
      contentType: 'application/json-patch+json',
      may403: true,
    },
    wait,
  )
  if (!answer.ok) return answer
  return done(answer.value.status === 200 ? answer.value.body : undefined)
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
): Promise<string[]> {
  const answer = await patch(cluster, object, { force: false, dryRun: true }, release, wait)
  if (!answer.ok || answer.value.status !== 409) return []
  const causes = (answer.value.body as Status).details?.causes ?? []
  return causes.flatMap(({ message }) => /conflict with "([^"]+)"/.exec(message ?? '')?.[1] ?? [])
}

/**
 * Applies the live release again, under its own generation; older and newer releases are fenced as in any roll-out. What stands
 * under another version of its kind, as the cluster serves its own no more, is left as it is.
 */
export async function correctRelease(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  const whole = withoutJobs(release)
  const objects: KubeObject[] = []
  for (const object of whole.objects) {
    const path = pathOf(release.namespace, refOf(object))
    const read = await cluster.call<KubeObject>({ method: 'GET', path }, wait)
    if (!read.ok) return read
    const { status, body } = read.value
    if (status !== 200 || body.apiVersion === object.apiVersion) objects.push(object)
  }
  return applyRelease(cluster, { ...whole, objects }, wait)
}
