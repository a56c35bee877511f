import { setTimeout as sleep } from 'node:timers/promises'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { type Answer, type Cluster, messageOf, type Wait } from './cluster/call.ts'
import type { Place } from './inventory.ts'
import { type ClusterRelease, type KubeObject, keys } from './object.ts'

/** Label of namespaces that were made for the preview of a pull request, with its number. */
const previewLabel = 'taxiway.dev/preview'
const goneEveryMs = 500
/** The whole removal is given up this long before its deadline, so that there is time to say why. */
const sayMs = 3_000

type Namespace = KubeObject & {
  status?: { phase?: string; conditions?: { type?: string; status?: string; message?: string }[] }
}

const all = '/api/v1/namespaces'
const pathOf = (name: string): string => `${all}/${encodeURIComponent(name)}`

/**
 * Makes the release's namespace if it is missing. An account that may not even look is taken to have been given one. That of a
 * preview says whose it is, and which run came last: whoever has read it before that does not remove it any more. A preview goes
 * to no namespace that was not made for it: code that nobody has reviewed may not choose among those that are there.
 * Labels tell the cluster which pods to refuse; those of a namespace that others may use as well stay as they are found.
 */
export async function ensureNamespace(
  cluster: Cluster,
  release: Pick<ClusterRelease, 'repositoryId' | 'environment' | 'namespace' | 'runId' | 'preview' | 'pods'>,
  wait: Wait,
): Promise<Outcome<void>> {
  const { namespace: name, preview, runId } = release
  const found = await cluster.call<Namespace>({ method: 'GET', path: pathOf(name), may403: true }, wait)
  if (!found.ok) return found
  if (found.value.body.status?.phase === 'Terminating')
    return refuse('cluster_forbidden', { detail: `namespace ${name} is being deleted` })
  if (found.value.status !== 404)
    return preview === undefined ? done(undefined) : ensureOwn(cluster, release, found.value, wait)
  const labels = {
    [keys.managedBy]: 'taxiway',
    ...securityLabels(release),
    ...(preview === undefined ? {} : labelsOf(release, preview)),
  }
  const annotations = preview === undefined ? {} : { annotations: { [keys.run]: runId } }
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels, ...annotations } }
  const made = await cluster.call({ method: 'POST', path: all, body, may403: true }, wait)
  if (!made.ok) return made
  if (made.value.status === 403)
    return refuse('cluster_forbidden', {
      detail: `namespace ${name} does not exist and this account may not make it; make it with "kubectl create namespace ${name}"`,
    })
  if (made.value.status === 201) wait.say(`namespace ${name} made`)
  // Somebody else has just made it, or this call was sent twice: its marks say which.
  if (made.value.status === 409 && preview !== undefined) return ensureNamespace(cluster, release, wait)
  return made.value.status === 201 || made.value.status === 409
    ? done(undefined)
    : refuse('cluster_forbidden', { detail: messageOf(made.value.body) })
}

/**
 * By these the cluster itself refuses pods that our policy refuses, whoever makes them (Pod Security admission, from 1.23 on).
 * The restricted profile only where a rule wants it: images that run as root are refused by it.
 */
const securityLabels = ({ pods }: Pick<ClusterRelease, 'pods'>) => ({
  'pod-security.kubernetes.io/enforce': pods === 'restricted' ? pods : 'baseline',
  'pod-security.kubernetes.io/audit': 'restricted',
  'pod-security.kubernetes.io/warn': 'restricted',
})

const labelsOf = ({ repositoryId, environment }: Omit<Place, 'namespace'>, preview: number) => ({
  [keys.repository]: repositoryId,
  [keys.environment]: environment,
  [previewLabel]: String(preview),
})

/** Was the namespace made as this very preview? */
export const isPreviewOf = (
  { metadata: { labels = {} } }: KubeObject,
  { repositoryId, environment }: Omit<Place, 'namespace'>,
): boolean =>
  labels[keys.managedBy] === 'taxiway' &&
  labels[previewLabel] !== undefined &&
  labels[keys.repository] === repositoryId &&
  labels[keys.environment] === environment

function ensureOwn(
  cluster: Cluster,
  release: Pick<ClusterRelease, 'repositoryId' | 'environment' | 'namespace' | 'runId' | 'pods'>,
  { status, body }: Answer<Namespace>,
  wait: Wait,
): Promise<Outcome<void>> | Outcome<void> {
  const { namespace } = release
  if (status === 403)
    return refuse('cluster_forbidden', {
      detail: `this account may not look at namespace ${namespace}; "taxiway cluster rbac --previews" prints what previews need`,
    })
  if (isPreviewOf(body, release)) return markRun(cluster, body, release, wait)
  return refuse('namespace_taken', { namespace, owner: 'somebody who made it for something else than this preview' })
}

async function markRun(
  cluster: Cluster,
  { metadata }: Namespace,
  { runId, pods }: Pick<ClusterRelease, 'runId' | 'pods'>,
  wait: Wait,
): Promise<Outcome<void>> {
  if (metadata.annotations?.[keys.run] === runId) return done(undefined)
  const marked = await cluster.call(
    {
      method: 'PATCH',
      path: pathOf(metadata.name),
      contentType: 'application/merge-patch+json',
      // Not one that was made anew under this name.
      body: {
        metadata: { uid: metadata.uid, annotations: { [keys.run]: runId }, labels: securityLabels({ pods }) },
      },
    },
    wait,
  )
  if (!marked.ok) return marked
  return marked.value.status === 200
    ? done(undefined)
    : refuse('cluster_forbidden', { detail: `namespace ${metadata.name}: ${messageOf(marked.value.body)}` })
}

/** Previews that have a namespace of their own here; none for an account that may not list namespaces. */
export async function listPreviews(cluster: Cluster, wait: Wait): Promise<Outcome<Place[]>> {
  const query = { labelSelector: `${keys.managedBy}=taxiway,${previewLabel}` }
  const answer = await cluster.call<{ items?: Namespace[] }>({ method: 'GET', path: all, query, may403: true }, wait)
  if (!answer.ok) return answer
  const items = answer.value.status === 200 ? (answer.value.body.items ?? []) : []
  return done(
    items.map(({ metadata: { name, labels } }) => ({
      repositoryId: labels?.[keys.repository] ?? '',
      environment: labels?.[keys.environment] ?? '',
      namespace: name,
    })),
  )
}

/**
 * Deletes the namespace of a preview with all that is in it, and waits until it is gone (`removal_unfinished`). It is deleted only
 * as it was read, and only while `stillHeld` says so between the two: a deploy that comes meanwhile changes it
 * (`removal_overtaken`). @returns false when the namespace was not made for this preview: then nothing was done
 */
export async function removeNamespace(
  cluster: Cluster,
  place: Place,
  stillHeld: () => Promise<boolean>,
  wait: Wait,
): Promise<Outcome<boolean>> {
  const beganMs = performance.now()
  const path = pathOf(place.namespace)
  const overtaken = refuse('removal_overtaken', { what: `Namespace ${place.namespace}` })
  let isAsked = false
  for (;;) {
    const found = await cluster.call<Namespace>({ method: 'GET', path, may403: true }, wait)
    if (!found.ok) return found
    if (found.value.status === 404) return done(true)
    if (found.value.status !== 200 || !isPreviewOf(found.value.body, place)) return done(false)
    const { metadata, status } = found.value.body
    if (!isAsked && status?.phase !== 'Terminating') {
      if (!(await stillHeld())) return overtaken
      const { uid, resourceVersion } = metadata
      const body = { propagationPolicy: 'Background', preconditions: { uid, resourceVersion } }
      const asked = await cluster.call({ method: 'DELETE', path, body }, wait)
      if (!asked.ok) return asked
      if (asked.value.status === 409 && !(await isTerminating(cluster, path, wait))) return overtaken
    }
    isAsked = true
    if (performance.now() > wait.untilMs - sayMs) {
      const seconds = Math.round((performance.now() - beganMs) / 1000)
      return refuse('removal_unfinished', {
        what: `Namespace ${place.namespace}`,
        seconds,
        detail: whyHeld(found.value.body),
      })
    }
    await sleep(goneEveryMs, undefined, { signal: wait.signal })
  }
}

/** A 409 may as well say that it is on its way already. */
async function isTerminating(cluster: Cluster, path: string, wait: Wait): Promise<boolean> {
  const found = await cluster.call<Namespace>({ method: 'GET', path, may403: true }, wait)
  return found.ok && (found.value.status === 404 || found.value.body.status?.phase === 'Terminating')
}

/** What the cluster says keeps a namespace from going. */
function whyHeld({ metadata: { finalizers }, status }: Namespace): string {
  const waiting = Array.isArray(finalizers) && finalizers.length > 0 ? [`it waits for ${finalizers.join(', ')}`] : []
  const said = status?.conditions?.filter((one) => one.status === 'True').map(({ message = '' }) => message) ?? []
  const held = [...waiting, ...said]
  return held.filter(Boolean).join('; ').replace(/\.$/, '') || 'the cluster does not say why'
}
