import type { FoundObject } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { fieldManager } from '../apply/ownership.ts'
import { howToAdopt, refusal } from '../apply/refusal.ts'
import type { Cluster, Status, Wait } from '../cluster/call.ts'
import { readInventory } from '../inventory.ts'
import { type ClusterRelease, describe, isOurs, type KubeObject, keys, pathOf, refKey, refOf } from '../object.ts'
import { extract, type FieldSet, isAuthor, isOwnEntry, union } from './field-set.ts'
import { withoutDefaults } from './without-defaults.ts'

const atOnce = 4
/** Where kubectl keeps what it applied. */
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'
/** Annotations that say which release an object is of, and no more. */
const notWritten: string[] = [lastApplied, keys.run, keys.sha, keys.generation]

/**
 * Objects of the release that stand there already, and were made by others: as they can be given again, which is what their
 * authors wrote of them, and who those are.
 */
export async function findOthers(
  cluster: Cluster,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<FoundObject[]>> {
  const found: FoundObject[] = []
  const known = await readInventory(cluster, release, wait)
  if (!known.ok) return known
  // What the environment has had is its own; where others are to be taken over, that is looked at as well.
  const own = new Set(release.adopt ? [] : known.value?.objects.map(refKey))
  // A Job has done its work, and a Secret is never taken over, so that its values are kept nowhere else.
  const objects = release.objects.filter(
    (object) => object.kind !== 'Job' && object.kind !== 'Secret' && !own.has(refKey(refOf(object))),
  )
  for (let at = 0; at < objects.length; at += atOnce) {
    const some = objects.slice(at, at + atOnce)
    const outcomes = await Promise.all(some.map((object) => findOther(cluster, object, release, wait)))
    for (const outcome of outcomes) {
      if (!outcome.ok) return outcome
      if (outcome.value) found.push(outcome.value)
    }
  }
  return done(found)
}

/** The environment that an object says it belongs to, `<repository id>/<environment>`; undefined when it says none. */
function ownerOf({ metadata: { labels = {} } }: KubeObject): string | undefined {
  const repository = labels[keys.repository]
  return repository === undefined ? undefined : `${repository}/${labels[keys.environment]}`
}

/** Never taken over. A Job can't be changed; what a Secret holds would have to be kept, to go back to it. */
const wayOutOf: Readonly<Record<string, string>> = {
  Job: 'a Job is not taken over; give yours another name, or delete that one',
  Secret: 'a Secret is not taken over; leave yours out, and name that one where pods use it',
}

/**
 * May a release begin with an object that is not its own? With nobody's, as far as the server finds no conflict; with that of an
 * environment which is no more, if an admin wants it.
 */
export function mayTake(live: KubeObject, { adopt }: ClusterRelease): boolean {
  const owner = ownerOf(live)
  return owner === undefined ? wayOutOf[live.kind] === undefined : adopt?.includes(owner) === true
}

/** The refusal of an object that is not ours to change. */
export function foreign(live: KubeObject) {
  const [repository, environment] = ownerOf(live)?.split('/') ?? []
  const detail =
    repository === undefined
      ? `it was made by others; ${wayOutOf[live.kind] ?? howToAdopt}`
      : `it belongs to environment ${environment} of repository ${repository}; if that is no more, ${howToAdopt}`
  return refuse('manifest_conflict', { object: describe(live), detail })
}

async function findOther(
  cluster: Cluster,
  object: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<FoundObject | undefined>> {
  const path = pathOf(release.namespace, refOf(object))
  const answer = await cluster.call<KubeObject>({ method: 'GET', path, may403: true }, wait)
  if (!answer.ok) return answer
  const { status, body: live } = answer.value
  if (status !== 200 || isOurs(live, release)) return done(undefined)
  const owner = ownerOf(live)
  const written = asWritten(live)
  const filled = await filledIn(cluster, object, release, wait)
  if (!filled.ok) return filled
  return done({
    object: withMarks(written, object),
    shown: withoutDefaults(written, object, filled.value) as KubeObject,
    by: owner ? `environment ${owner}` : authorsOf(live).join(', ') || 'somebody',
    ...(owner ? { owner } : {}),
    ...keptBy(live),
  })
}

const authorsOf = ({ metadata: { managedFields = [] } }: KubeObject): string[] => [
  ...new Set(managedFields.filter((entry) => isAuthor(entry) && !isOwnEntry(entry)).map(({ manager = '' }) => manager)),
]

/** What authors wrote of an object. One whose authors are not known is taken as it is, but for what the server says of it. */
export function asWritten(live: KubeObject): KubeObject {
  const { apiVersion, kind, metadata, status: _, ...rest } = live
  const sets = (metadata.managedFields ?? [])
    .filter((entry) => isAuthor(entry))
    .map(({ fieldsV1 = {} }) => fieldsV1 as FieldSet)
  const fields = union(sets)
  const { labels, annotations, name, namespace } = metadata
  const told = { metadata: { labels, annotations }, ...rest }
  const written = (sets.length > 0 ? extract(told, fields) : told) as Pick<KubeObject, 'metadata'>
  const annotationsLeft = Object.entries(written.metadata?.annotations ?? {}).filter(
    ([key]) => !notWritten.includes(key),
  )
  return {
    apiVersion,
    kind,
    ...written,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(written.metadata?.labels ? { labels: written.metadata.labels } : {}),
      ...(annotationsLeft.length > 0 ? { annotations: Object.fromEntries(annotationsLeft) } : {}),
    },
  }
}

/** With the labels by which it is known as ours from then on. */
function withMarks(written: KubeObject, { metadata: { labels = {} } }: KubeObject): KubeObject {
  const marks = Object.fromEntries(
    [keys.repository, keys.environment].flatMap((key) => (labels[key] === undefined ? [] : [[key, labels[key]]])),
  )
  return { ...written, metadata: { ...written.metadata, labels: { ...written.metadata.labels, ...marks } } }
}

/** Programs that go on to believe that the object is theirs, by what they write on it. */
const beliefs = [
  ['meta.helm.sh/release-name', 'Helm release'],
  ['argocd.argoproj.io/tracking-id', 'Argo CD application'],
  ['kustomize.toolkit.fluxcd.io/name', 'Flux kustomization'],
  ['helm.toolkit.fluxcd.io/name', 'Flux release'],
] as const

function keptBy({ metadata: { labels = {}, annotations = {} } }: KubeObject): Pick<FoundObject, 'keptBy'> {
  const [key, what] = beliefs.find(([one]) => (annotations[one] ?? labels[one]) !== undefined) ?? []
  return key ? { keptBy: `${what} ${(annotations[key] ?? labels[key] ?? '').split(':')[0]}` } : {}
}

/** The object as the server would fill it in under another name; as it is, where that can't be told. */
async function filledIn(
  cluster: Cluster,
  object: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<KubeObject>> {
  const { apiVersion, kind, metadata } = object
  const body = { ...object, metadata: { ...metadata, name: `${metadata.name.slice(0, 52)}-trial` } }
  const query = { dryRun: 'All', fieldManager }
  const path = pathOf(release.namespace, { apiVersion, kind })
  const answer = await cluster.call<KubeObject>({ method: 'POST', path, query, body, may403: true }, wait)
  if (!answer.ok) return answer
  return done(answer.value.status === 201 ? answer.value.body : object)
}

/**
 * Makes the fields of whoever wrote the object ours, as if we had applied them: so what the manifest does not say is gone after
 * the next apply, and what the manifest says alike is not touched. Fields known by another API version are nobody's then.
 * @returns true when they were handed over just now, or the object was changed meanwhile: it is another than it was read
 */
export async function handOver(
  cluster: Cluster,
  live: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const { managedFields = [], annotations = {}, resourceVersion } = live.metadata
  const theirs = managedFields.filter((entry) => isAuthor(entry) && !isOwnEntry(entry))
  if (theirs.length === 0) return done(false)
  const sets = managedFields
    .filter((entry) => isOwnEntry(entry) || (theirs.includes(entry) && entry.apiVersion === live.apiVersion))
    .map(({ fieldsV1 = {} }) => fieldsV1 as FieldSet)
  const { 'f:status': _, ...fieldsV1 } = union(sets)
  const own = {
    manager: fieldManager,
    operation: 'Apply',
    apiVersion: live.apiVersion,
    fieldsType: 'FieldsV1',
    fieldsV1,
  }
  const others = managedFields.filter((entry) => !theirs.includes(entry) && !isOwnEntry(entry))
  const body = [
    { op: 'replace', path: '/metadata/managedFields', value: [own, ...others] },
    ...(lastApplied in annotations
      ? [{ op: 'remove', path: `/metadata/annotations/${lastApplied.replace('/', '~1')}` }]
      : []),
    { op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion },
  ]
  const path = pathOf(release.namespace, refOf(live))
  const call = {
    method: 'PATCH',
    path,
    body,
    query: { fieldManager },
    contentType: 'application/json-patch+json',
  } as const
  const answer = await cluster.call<Status>(call, wait)
  if (!answer.ok) return answer
  const { status } = answer.value
  return status < 300 || status === 409 || status === 404 ? done(true) : refusal(live, answer.value)
}
