import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { type Answer, type Cluster, messageOf, type Wait } from '../cluster/call.ts'
import type { KubeObject, Pod } from '../object.ts'

/** The pods of a namespace, known by their owners: labels may be anybody's. */
export interface OwnedPods {
  all: readonly Pod[]
  /** The pods that a live workload (with its uid) has made, of whichever template. */
  of(workload: KubeObject): Pod[]
  /** Those of its present template; none before its controller has seen that. */
  currentOf(workload: KubeObject): Pod[]
  /** The ReplicaSet or revision that a pod was made from: it has the annotations that its workload had then. */
  madeFrom(pod: Pod): KubeObject | undefined
}

const pageSize = '500'
const revisionAnnotation = 'deployment.kubernetes.io/revision'
const revisionLabel = 'controller-revision-hash'
const revisionKinds = ['StatefulSet', 'DaemonSet']

/**
 * Reads the pods of a namespace, and what workloads of these kinds make them from. `keep` says what is kept of a pod: its
 * labels and owners at least.
 */
export async function readOwnedPods(
  cluster: Cluster,
  { namespace, kinds }: { namespace: string; kinds: readonly string[] },
  wait: Wait,
  keep: (pod: Pod) => Pod = (pod) => pod,
): Promise<Outcome<OwnedPods>> {
  const sets = `/apis/apps/v1/namespaces/${namespace}/replicasets`
  const revisions = `/apis/apps/v1/namespaces/${namespace}/controllerrevisions`
  const nothing = done<KubeObject[]>([])
  // Together: what is aborted rejects in all, and nobody would hear of the others.
  const [pods, ofDeployments, ofSets] = await Promise.all([
    listAll(cluster, `/api/v1/namespaces/${namespace}/pods`, {}, wait, (one) => keep(one as Pod)),
    kinds.includes('Deployment') ? listAll(cluster, sets, { metadataOnly: true }, wait, slim) : nothing,
    kinds.some((kind) => revisionKinds.includes(kind)) ? listAll(cluster, revisions, {}, wait, slim) : nothing,
  ])
  if (!pods.ok) return pods
  if (!ofDeployments.ok) return ofDeployments
  if (!ofSets.ok) return ofSets
  return done(ownedPods(pods.value as Pod[], ofDeployments.value, ofSets.value))
}

/** Pure: which of these pods are whose, given the ReplicaSets and ControllerRevisions of their namespace. */
export function ownedPods(
  pods: readonly Pod[],
  replicaSets: readonly KubeObject[],
  revisions: readonly KubeObject[] = [],
): OwnedPods {
  const setOf = new Map(replicaSets.map((one) => [one.metadata.uid, one]))
  const byOwner = Map.groupBy(pods, (pod) => ownerOf(pod))
  const owned = (uid: string | undefined): Pod[] => (uid === undefined ? [] : (byOwner.get(uid) ?? []))
  const setsOf = ({ metadata }: KubeObject) => replicaSets.filter((one) => ownerOf(one) === metadata.uid)
  // The pods of a StatefulSet bear the name of their revision, those of a DaemonSet its hash.
  const revisionOf = (pod: Pod) =>
    revisions.find((one) => ownerOf(one) === ownerOf(pod) && [one.metadata.name, hashOf(one)].includes(hashOf(pod)))
  return {
    all: pods,
    of: (workload) =>
      workload.kind === 'Deployment'
        ? setsOf(workload).flatMap(({ metadata }) => owned(metadata.uid))
        : owned(workload.metadata.uid),
    currentOf(workload) {
      if (workload.kind === 'Job') return owned(workload.metadata.uid)
      if (!isObserved(workload)) return []
      if (workload.kind === 'Deployment') {
        const revision = workload.metadata.annotations?.[revisionAnnotation]
        const current = setsOf(workload).filter(
          ({ metadata }) => revision !== undefined && metadata.annotations?.[revisionAnnotation] === revision,
        )
        return current.flatMap(({ metadata }) => owned(metadata.uid))
      }
      const hash = currentHash(workload, revisions)
      return owned(workload.metadata.uid).filter((pod) => hash !== undefined && hashOf(pod) === hash)
    },
    madeFrom: (pod) => setOf.get(ownerOf(pod)) ?? revisionOf(pod),
  }
}

/** Has its controller seen what the object says now? */
export const isObserved = ({ metadata, status }: KubeObject): boolean =>
  ((status as { observedGeneration?: number } | undefined)?.observedGeneration ?? 0) >= (metadata.generation ?? 0)

/** The label value of pods of the present template. A StatefulSet says it, of a DaemonSet it is the newest revision's. */
function currentHash(workload: KubeObject, revisions: readonly KubeObject[]): string | undefined {
  if (workload.kind === 'StatefulSet')
    return (workload.status as { updateRevision?: string } | undefined)?.updateRevision
  const number = (one: KubeObject) => Number((one as { revision?: number }).revision) || 0
  const own = revisions.filter((one) => ownerOf(one) === workload.metadata.uid)
  const newest = own.toSorted((a, b) => number(a) - number(b)).at(-1)
  return newest && hashOf(newest)
}

const hashOf = ({ metadata }: KubeObject): string | undefined => metadata.labels?.[revisionLabel]
const ownerOf = ({ metadata }: KubeObject): string | undefined =>
  metadata.ownerReferences?.find(({ controller }) => controller)?.uid

/** Without what a revision holds, which may be large. */
const slim = ({ apiVersion, kind, metadata, revision }: KubeObject): KubeObject => ({
  apiVersion,
  kind,
  metadata,
  revision,
})

interface Page {
  metadata?: { continue?: string }
  items?: KubeObject[]
}

/** Reads a collection page by page, anew when it took so long that its beginning is forgotten (410). */
async function listAll(
  cluster: Cluster,
  path: string,
  how: { metadataOnly?: boolean },
  wait: Wait,
  keep: (item: KubeObject) => KubeObject,
): Promise<Outcome<KubeObject[]>> {
  let found: KubeObject[] = []
  let after: string | undefined = ''
  while (after !== undefined) {
    const query: Record<string, string> = { limit: pageSize, ...(after ? { continue: after } : {}) }
    const answer = await cluster.call<Page>({ method: 'GET', path, query, ...how }, wait)
    if (!answer.ok) return answer
    const { status, body }: Answer<Page> = answer.value
    const isForgotten: boolean = status === 410 && after !== ''
    if (status !== 200 && !isForgotten) throw new Error(`could not list ${path}: ${status} ${messageOf(body)}`)
    if (isForgotten) found = []
    found.push(...(body.items ?? []).map(keep))
    after = isForgotten ? '' : body.metadata?.continue || undefined
  }
  return done(found)
}
