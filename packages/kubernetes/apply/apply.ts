import { setTimeout as sleep } from 'node:timers/promises'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { type Answer, type Cluster, forbidden, messageOf, type Status, type Wait } from '../cluster/connection.ts'
import { claim, stale, stillOurs } from '../inventory.ts'
import { ensureNamespace } from '../namespace.ts'
import {
  besideLabel,
  type ClusterRelease,
  describe,
  generationOf,
  hashLabel,
  isNewer,
  isOurs,
  type KubeObject,
  keys,
  pathOf,
  refOf,
} from '../object.ts'
import { handOverReplicas } from './hand-over.ts'
import { deleteObject } from './prune.ts'

/** The name under which the API server records our fields. */
export const fieldManager = 'taxiway'
const applyType = 'application/apply-patch+yaml'
const dryRunsAtOnce = 4
/** How often an object may change under our hands before we give up. */
const writeTries = 20
const gonePollMs = 200

/**
 * Asks the server whether it would take every object (server-side apply with dryRun=All): schema, validation, admission,
 * quota. Makes the namespace if it is missing, changes nothing else. The first object that would fail is named.
 */
export async function dryRunRelease(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  const namespace = await ensureNamespace(cluster, release, wait)
  if (!namespace.ok) return namespace
  const current = await stillOurs(cluster, release, wait)
  if (!current.ok) return current
  for (let at = 0; at < release.objects.length; at += dryRunsAtOnce) {
    const some = release.objects.slice(at, at + dryRunsAtOnce)
    const outcomes = await Promise.all(some.map((object) => dryRunObject(cluster, object, release, wait)))
    const failed = outcomes.find((outcome) => !outcome.ok)
    if (failed) return failed
  }
  return done(undefined)
}

async function dryRunObject(
  cluster: Cluster,
  object: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<void>> {
  const live = await readLive(cluster, object, release, wait)
  if (!live.ok) return live
  const trial = live.value && isReplaced(live.value, release) ? renamed(object) : object
  const force = live.value !== undefined && isOurs(live.value, release)
  const answer = await patch(cluster, trial, { force, dryRun: true }, release, wait)
  if (!answer.ok) return answer
  return answer.value.status < 300 ? done(undefined) : refusal(object, answer.value)
}

/** A Job can't be changed, so the one of another run is replaced; whether it would be taken is asked under another name. */
const isReplaced = (live: KubeObject, release: ClusterRelease): boolean =>
  live.kind === 'Job' && live.metadata.annotations?.[keys.run] !== release.runId
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
  for (const object of release.objects) {
    const applied = await applyObject(cluster, object, release, wait)
    if (!applied.ok) return applied
    wait.say(`${describe(object)} ${applied.value}`)
  }
  return done(undefined)
}

/** Puts one object in place, as it was read: a newer one is left alone (`stale_generation`), a Job of another run replaced. */
export async function applyObject(
  cluster: Cluster,
  object: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<'created' | 'applied'>> {
  for (let tries = 0; tries < writeTries; ) {
    const live = await readLive(cluster, object, release, wait)
    if (!live.ok) return live
    if (live.value && (live.value.metadata.deletionTimestamp || isReplaced(live.value, release))) {
      const gone = await awaitGone(cluster, live.value, release, wait)
      if (!gone.ok) return gone
      continue
    }
    const written = live.value
      ? await update(cluster, object, live.value, release, wait)
      : await create(cluster, object, release, wait)
    if (!written.ok) return written
    if (written.value) return done(live.value ? 'applied' : 'created')
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
  const labels = live.metadata.labels ?? {}
  if (isOurs(live, release)) {
    const held = { generation: generationOf(live), runId: live.metadata.annotations?.[keys.run] }
    return isNewer(held, release) ? stale(release, held.generation) : done(live)
  }
  if (labels[keys.repository] === undefined) return done(live)
  const detail = `it belongs to environment ${labels[keys.environment]} of repository ${labels[keys.repository]}`
  return refuse('manifest_conflict', { object: describe(object), detail })
}

/** Deletes a Job of an earlier run, and waits until an object that is on its way out is out. */
async function awaitGone(
  cluster: Cluster,
  live: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<void>> {
  if (!live.metadata.deletionTimestamp) {
    const deleted = await deleteObject(cluster, release.namespace, live, wait)
    return deleted.ok ? done(undefined) : deleted
  }
  if (performance.now() > wait.untilMs)
    return refuse('manifest_conflict', { object: describe(live), detail: 'the old one does not go away' })
  await sleep(gonePollMs, undefined, { signal: wait.signal })
  return done(undefined)
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
  if (current.ok) return indexOfUpdate(made.value.body) < 0 ? done(true) : own(cluster, made.value.body, release, wait)
  await deleteObject(cluster, release.namespace, made.value.body, wait)
  return current
}

/** Where our fields stand under operation Update, as after a POST; -1 when they are ours by Apply. */
function indexOfUpdate({ metadata: { managedFields = [] } }: KubeObject): number {
  const ours = managedFields.filter(({ manager }) => manager === fieldManager)
  if (ours.some(({ operation }) => operation === 'Apply')) return -1
  return managedFields.findIndex(({ manager, operation }) => manager === fieldManager && operation === 'Update')
}

/**
 * Server-side apply can't say "only if it does not exist", so objects are made by POST, which records our fields under
 * operation Update. This makes them ours by Apply; otherwise a field that a later manifest drops would stay.
 * @returns false when the object was changed since it was read
 */
async function own(cluster: Cluster, live: KubeObject, release: ClusterRelease, wait: Wait): Promise<Outcome<boolean>> {
  const body = [
    { op: 'replace', path: `/metadata/managedFields/${indexOfUpdate(live)}/operation`, value: 'Apply' },
    { op: 'replace', path: '/metadata/resourceVersion', value: live.metadata.resourceVersion },
  ]
  const path = pathOf(release.namespace, refOf(live))
  const answer = await cluster.call({ method: 'PATCH', path, body, contentType: 'application/json-patch+json' }, wait)
  return answer.ok ? done(answer.value.status === 200) : answer
}

/** @returns false when it was changed or removed since it was read */
async function update(
  cluster: Cluster,
  object: KubeObject,
  live: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean>> {
  if (indexOfUpdate(live) >= 0) {
    const owned = await own(cluster, live, release, wait)
    return owned.ok ? done(false) : owned
  }
  const handed = await handOverReplicas(cluster, object, { live, manager: fieldManager }, release, wait)
  if (!handed.ok || handed.value) return handed.ok ? done(false) : handed
  // The version makes a write in between a conflict; the uid keeps the server from making a removed object anew.
  const { resourceVersion, uid } = live.metadata
  const body = { ...object, metadata: { ...object.metadata, resourceVersion, uid } } as KubeObject
  const answer = await patch(cluster, body, { force: isOurs(live, release), dryRun: false }, release, wait)
  if (!answer.ok) return answer
  const { status } = answer.value
  if (status < 300) return ownAim(cluster, object, answer.value.body as unknown as KubeObject, release, wait)
  const isChanged = status === 409 && !isOwnership(answer.value.body)
  return isChanged || status === 404 ? done(false) : refusal(object, answer.value)
}

/**
 * Labels by which a Service was held to some pods while a release took over go from its selector: applying only takes away
 * what was applied (in servers before 1.21, where a selector is merged key by key).
 * @returns false when it was changed since
 */
async function ownAim(
  cluster: Cluster,
  object: KubeObject,
  live: KubeObject,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const selectorOf = ({ spec }: KubeObject) =>
    (spec as { selector?: Record<string, unknown> } | undefined)?.selector ?? {}
  const extra = [besideLabel, hashLabel].filter((key) => key in selectorOf(live) && !(key in selectorOf(object)))
  if (object.kind !== 'Service' || extra.length === 0) return done(true)
  const answer = await cluster.call(
    {
      method: 'PATCH',
      path: pathOf(release.namespace, refOf(object)),
      query: { fieldManager },
      body: {
        metadata: { resourceVersion: live.metadata.resourceVersion },
        spec: { selector: Object.fromEntries(extra.map((key) => [key, null])) },
      },
      contentType: 'application/merge-patch+json',
    },
    wait,
  )
  return answer.ok ? done(answer.value.status === 200) : answer
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

const isOwnership = (status: Status): boolean =>
  status.details?.causes?.some((cause) => cause.reason === 'FieldManagerConflict') ?? false

/** What the server has against an object, in one sentence. */
function refusal(object: KubeObject, answer: Answer<Status>) {
  const { status, body } = answer
  if (status === 409 && isOwnership(body)) {
    const cause = body.details?.causes?.[0]
    const owner = /conflict with "([^"]+)"/.exec(cause?.message ?? '')?.[1] ?? 'somebody'
    const detail = `${owner} owns ${cause?.field ?? 'a field'}; remove it there, or delete the object so that it is made anew`
    return refuse('manifest_conflict', { object: describe(object), detail })
  }
  const message = messageOf(body)
  const ruled = ruleOf(message)
  if (ruled) return refuse(ruled.code, { object: describe(object), detail: ruled.detail })
  if (status === 403) return refuse('cluster_forbidden', { detail: `${describe(object)}: ${forbidden(message)}` })
  const detail =
    status === 404 && /could not find the requested resource/.test(message)
      ? `this cluster does not know apiVersion ${object.apiVersion}`
      : plain(message) || `the cluster answered ${status}`
  return refuse('manifest_invalid', { object: describe(object), detail })
}

/** Whether it is not the account that may not, but a rule of the namespace or of the cluster that refuses. */
function ruleOf(message: string): { code: 'quota_exceeded' | 'admission_refused'; detail: string } | undefined {
  const detail = message.replace(/^[\w.]+ "[^"]*" is forbidden: /, '').replace(/\.$/, '')
  if (/^(exceeded|failed) quota: /.test(detail)) return { code: 'quota_exceeded', detail }
  if (/admission webhook "[^"]*" denied the request|failed calling webhook/.test(detail))
    return { code: 'admission_refused', detail: detail.replace(/^Internal error occurred: /, '') }
  const isRule = detail.length < message.length - 1 && !/^User "/.test(detail)
  return isRule && / is forbidden: /.test(message) ? { code: 'admission_refused', detail } : undefined
}

/** Without the server's own preamble: `Service "web" is invalid: spec…` and `failed to create typed patch object: …`. */
export const plain = (message: string): string =>
  message
    .replace(/^[\w.]+ "[^"]*" is invalid: /, '')
    .replace(/^failed to create (manager for existing fields|typed patch object)( \([^)]*\))?: /, '')
    .replace(/^error (when|validating)[^:]*: /i, '')
    .replace(/^\./, '')
    .replace(/\.$/, '')
