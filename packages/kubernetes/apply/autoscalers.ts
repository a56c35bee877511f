import { done, type Outcome } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { type ClusterRelease, describe, isOurs, type KubeObject } from '../object.ts'

// An autoscaler owns the number of what it scales: a release leaves it as it is, also when its manifest names one.

/** `Kind/name` of what is scaled -> `Kind/name` of the autoscaler that says how many there are. */
export type Scalers = ReadonlyMap<string, string>

/** One more of KEDA's than Kubernetes' own: it may scale to zero, and then nothing else tells of it. */
const kinds = ['HorizontalPodAutoscaler', 'ScaledObject']
const canBeScaled = ['Deployment', 'StatefulSet']

/** What the autoscalers among these objects scale. */
export function autoscalersOf(objects: readonly KubeObject[]): Scalers {
  const scalers = new Map<string, string>()
  for (const object of objects) {
    const { scaleTargetRef: target } = (object.spec ?? {}) as { scaleTargetRef?: { kind?: string; name?: string } }
    // KEDA's default is a Deployment.
    if (kinds.includes(object.kind) && target?.name)
      scalers.set(`${target.kind ?? 'Deployment'}/${target.name}`, describe(object))
  }
  return scalers
}

/** All autoscalers of a namespace, whoever made them. None when they may not be read. */
export async function readAutoscalers(cluster: Cluster, namespace: string, wait: Wait): Promise<Outcome<KubeObject[]>> {
  // The first version is known to all clusters, whichever one the autoscaler was made by.
  const known = [
    { apiVersion: 'autoscaling/v1', plural: 'horizontalpodautoscalers' },
    { apiVersion: 'keda.sh/v1alpha1', plural: 'scaledobjects' },
  ]
  const answers = await Promise.all(
    known.map(({ apiVersion, plural }) =>
      cluster.call<{ items?: KubeObject[] }>(
        {
          method: 'GET',
          path: `/apis/${apiVersion}/namespaces/${encodeURIComponent(namespace)}/${plural}`,
          may403: true,
        },
        wait,
      ),
    ),
  )
  const found: KubeObject[] = []
  for (const [index, answer] of answers.entries()) {
    if (!answer.ok) return answer
    // Items of a list carry neither apiVersion nor kind.
    const ref = { apiVersion: known[index]?.apiVersion ?? '', kind: kinds[index] ?? '' }
    found.push(...(answer.value.body.items ?? []).map((item) => ({ ...item, ...ref })))
  }
  return done(found)
}

/** What is scaled once the release is there: by its own autoscalers and those of others, not by what it has dropped. */
export async function autoscalersFor(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<Scalers>> {
  if (!release.objects.some(({ kind }) => canBeScaled.includes(kind))) return done(new Map())
  const found = await readAutoscalers(cluster, release.namespace, wait)
  if (!found.ok) return found
  const others = found.value.filter((live) => !isOurs(live, release))
  return done(autoscalersOf([...others, ...release.objects]))
}

/**
 * The object as an autoscaled one is applied: with the number that is there, where the manifest names another or we still
 * hold the field (what nobody names any more would fall back to 1). A manifest that names 0 stops it. Where nothing runs, only
 * KEDA would start it again, so the manifest is right.
 */
export function withLiveReplicas(object: KubeObject, live: KubeObject | undefined, scalers: Scalers): KubeObject {
  const scaler = scalers.get(describe(object))
  const [wanted, now] = [replicasIn(object), live && replicasIn(live)]
  const isKeda = scaler !== undefined && /^ScaledObject[./]/.test(scaler)
  if (!live || !scaler || now === undefined || (!isKeda && (now === 0 || wanted === 0))) return object
  if (wanted === undefined && !holdsReplicas(live)) return object
  return { ...object, spec: { ...(object.spec as object), replicas: now } }
}

const replicasIn = ({ spec }: KubeObject) => (spec as { replicas?: number } | undefined)?.replicas

/** Does one of our managers hold the number? */
function holdsReplicas({ metadata: { managedFields = [] } }: KubeObject): boolean {
  return managedFields.some((entry) => {
    const fields = (entry as { fieldsV1?: { 'f:spec'?: Record<string, unknown> } }).fieldsV1
    return entry.manager?.startsWith('taxiway') && fields?.['f:spec']?.['f:replicas'] !== undefined
  })
}

/** What the log says when a number stays that the manifest would change. */
export function keptReplicas(object: KubeObject, sent: KubeObject, scalers: Scalers): string {
  const kept = replicasIn(sent)
  const isKept = replicasIn(object) !== undefined && kept !== replicasIn(object)
  return isKept ? `; it keeps its ${kept} replicas, as ${scalers.get(describe(object))} decides how many` : ''
}
