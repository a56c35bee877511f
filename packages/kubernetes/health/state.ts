import { createHash } from 'node:crypto'
import type { Observed } from '@taxiway/domain/environment/release.ts'
import { conditionOf, type PodState, type WorkloadState } from '@taxiway/domain/environment/state.ts'
import { done, type Outcome, oneLine } from '@taxiway/domain/reason.ts'
import { type Cluster, messageOf, type Wait } from '../cluster/call.ts'
import type { Watched } from '../cluster/watch-stream.ts'
import { readInventory } from '../inventory.ts'
import {
  type ClusterRelease,
  type ContainerStatus,
  isOurs,
  type KubeObject,
  keys,
  type Pod,
  pathOf,
  refKey,
  refOf,
  selectorOf,
} from '../object.ts'
import { healthOf } from './health.ts'
import { type OwnedPods, readOwnedPods } from './owned.ts'
import { isReady, troubleOf } from './pod.ts'
import { collectionsOf } from './watch.ts'

const pageSize = '100'
const detailLimit = 300
const lasting = ['Deployment', 'StatefulSet', 'DaemonSet']

/** What an environment is followed by: its workloads, and the pods of its namespace, which bear no label of ours. */
export const followed = (release: ClusterRelease): Watched => ({
  ...collectionsOf(release, ({ kind }) => lasting.includes(kind)),
  [`/api/v1/namespaces/${release.namespace}/pods`]: '',
})

/** Reads what a release has become. Lists are read by pages and kept only as far as they are told. */
export async function readState(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<Observed>> {
  const known = await readInventory(cluster, release, wait)
  if (!known.ok) return known
  const prints = new Map<string, string>()
  const found: KubeObject[] = []
  const kinds = new Map(release.objects.filter(({ kind }) => kind !== 'Job').map((object) => [object.kind, object]))
  for (const { apiVersion, kind } of kinds.values()) {
    const listed = await list(cluster, pathOf(release.namespace, { apiVersion, kind }), release, wait, (item) => {
      const object = { ...item, apiVersion, kind }
      if (!isOurs(object, release)) return
      prints.set(refKey(refOf(object)), fingerprint(object))
      if (lasting.includes(kind)) found.push(slim(object))
    })
    if (!listed.ok) return listed
  }
  const where = { namespace: release.namespace, kinds: [...kinds.keys()] }
  const pods = await readOwnedPods(cluster, where, wait, slimPod)
  if (!pods.ok) return pods
  const workloads = found.map((object) => workloadState(object, pods.value))
  const missing = release.objects
    .filter((object) => lasting.includes(object.kind) && !prints.has(refKey(refOf(object))))
    .map(deleted)
  const { generation = 0, runId = '' } = known.value ?? {}
  return done({ generation, runId, workloads: [...workloads, ...missing], prints })
}

/** Reads a collection page by page. A kind that the cluster does not know has no objects. */
async function list(
  cluster: Cluster,
  path: string,
  release: ClusterRelease,
  wait: Wait,
  each: (item: KubeObject) => void,
): Promise<Outcome<void>> {
  let after = ''
  do {
    const answer = await cluster.call<{ metadata?: { continue?: string }; items?: KubeObject[] }>(
      {
        method: 'GET',
        path,
        query: { labelSelector: selectorOf(release), limit: pageSize, ...(after ? { continue: after } : {}) },
      },
      wait,
    )
    if (!answer.ok) return answer
    const { status, body } = answer.value
    if (status === 404) return done(undefined)
    // 410: the list took so long that its beginning is forgotten. The next look begins anew.
    if (status !== 200) throw new Error(`could not list ${path}: ${status} ${messageOf(body)}`)
    for (const item of body.items ?? []) each(item)
    after = body.metadata?.continue ?? ''
  } while (after)
  return done(undefined)
}

/** Says whether anything but the status has changed. What autoscalers note about themselves is status, too. */
function fingerprint({ metadata, status: _, apiVersion: __, ...rest }: KubeObject): string {
  const annotations = Object.entries(metadata.annotations ?? {}).filter(
    ([key]) => !key.startsWith('autoscaling.alpha.kubernetes.io/'),
  )
  const told = JSON.stringify([metadata.uid, metadata.labels, annotations, rest])
  return createHash('sha256').update(told).digest('base64url').slice(0, 22)
}

interface WorkloadSpec {
  replicas?: number
  template?: { spec?: { containers?: { image?: string }[] } }
}
interface Numbers {
  readyReplicas?: number
  desiredNumberScheduled?: number
  numberReady?: number
}
const specOf = (object: KubeObject): WorkloadSpec => (object.spec ?? {}) as WorkloadSpec
/** Without what is large and never looked at again. */
const slim = ({ metadata: { managedFields: _, ...metadata }, ...object }: KubeObject): KubeObject => ({
  ...object,
  metadata,
})
const slimPod = ({ apiVersion, kind, metadata, status }: Pod): Pod => ({
  apiVersion,
  kind,
  metadata: {
    name: metadata.name,
    ...(metadata.labels ? { labels: metadata.labels } : {}),
    ...(metadata.ownerReferences ? { ownerReferences: metadata.ownerReferences } : {}),
    ...(metadata.creationTimestamp ? { creationTimestamp: metadata.creationTimestamp } : {}),
    ...(metadata.deletionTimestamp ? { deletionTimestamp: metadata.deletionTimestamp } : {}),
  },
  spec: { containers: [] },
  ...(status ? { status } : {}),
})

const deleted = (object: KubeObject): WorkloadState => ({
  kind: object.kind,
  name: object.metadata.name,
  condition: specOf(object).replicas === 0 ? 'healthy' : 'down',
  detail: 'it was deleted',
  wanted: object.kind === 'DaemonSet' ? 0 : (specOf(object).replicas ?? 1),
  ready: 0,
  images: [],
  pods: [],
})

function workloadState(object: KubeObject, owned: OwnedPods): WorkloadState {
  const pods = owned.of(object)
  const current = new Set(owned.currentOf(object))
  const status = (object.status ?? {}) as Numbers
  const isDaemon = object.kind === 'DaemonSet'
  const wanted = isDaemon ? (status.desiredNumberScheduled ?? 0) : (specOf(object).replicas ?? 1)
  const ready = (isDaemon ? status.numberReady : status.readyReplicas) ?? 0
  const health = healthOf(object)
  const byNumbers = conditionOf(wanted, ready)
  const condition = byNumbers === 'healthy' && health.state === 'failed' ? 'degraded' : byNumbers
  const trouble = condition === 'healthy' ? undefined : pods.map(troubleOf).find(Boolean)
  const { [keys.run]: runId, [keys.sha]: sha } = object.metadata.annotations ?? {}
  return {
    kind: object.kind,
    name: object.metadata.name,
    condition,
    ...(condition === 'healthy' ? {} : { detail: oneLine(trouble?.text ?? health.detail, detailLimit) }),
    wanted,
    ready,
    images: (specOf(object).template?.spec?.containers ?? []).flatMap(({ image }) => image ?? []),
    ...(runId ? { runId } : {}),
    ...(sha ? { sha } : {}),
    pods: pods.map((pod) => podState(pod, current.has(pod) ? runId : runOf(owned.madeFrom(pod)))),
  }
}

const runOf = (object: KubeObject | undefined): string | undefined => object?.metadata.annotations?.[keys.run]

/** @param runId the last one that gave a template as the pod's */
function podState(pod: Pod, runId: string | undefined): PodState {
  const { containerStatuses = [], initContainerStatuses = [], phase = 'Pending', reason } = pod.status ?? {}
  const statuses = [...initContainerStatuses, ...containerStatuses]
  const waiting = statuses.map(({ state }) => state?.waiting?.reason).find(Boolean)
  const lastExit = lastExitOf(containerStatuses)
  return {
    name: pod.metadata.name,
    phase: pod.metadata.deletionTimestamp ? 'Terminating' : (waiting ?? reason ?? phase),
    ready: isReady(pod) && !pod.metadata.deletionTimestamp,
    restarts: containerStatuses.reduce((sum, { restartCount }) => sum + restartCount, 0),
    ...(pod.metadata.creationTimestamp ? { startedAt: pod.metadata.creationTimestamp } : {}),
    ...(runId ? { runId } : {}),
    ...(lastExit ? { lastExit } : {}),
  }
}

/** How a container of the pod ended last, by the time of its end. */
function lastExitOf(statuses: readonly ContainerStatus[]): PodState['lastExit'] {
  const ends = statuses.flatMap(({ state, lastState }) => state?.terminated ?? lastState?.terminated ?? [])
  const last = ends.toSorted((a, b) => (a.finishedAt ?? '').localeCompare(b.finishedAt ?? '')).at(-1)
  if (!last) return undefined
  const { exitCode: code, reason, finishedAt: at } = last
  return { code, ...(reason ? { reason } : {}), ...(at ? { at } : {}) }
}
