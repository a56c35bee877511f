import { createHash } from 'node:crypto'
import type { Observed } from '@taxiway/domain/environment/release.ts'
import { conditionOf, type PodState, type WorkloadState } from '@taxiway/domain/environment/state.ts'
import { done, type Outcome, oneLine } from '@taxiway/domain/reason.ts'
import { type Cluster, messageOf, type Wait } from '../cluster/call.ts'
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
import { isReady, troubleOf } from './pod.ts'

const pageSize = '100'
const detailLimit = 300
const lasting = ['Deployment', 'StatefulSet', 'DaemonSet']

/** Collections that an environment is followed by: its pods, and what runs them. */
export const followedPaths = ({ namespace, objects }: ClusterRelease): string[] => [
  `/api/v1/namespaces/${namespace}/pods`,
  ...new Set(
    objects
      .filter(({ kind }) => lasting.includes(kind))
      .map(({ apiVersion, kind }) => pathOf(namespace, { apiVersion, kind })),
  ),
]

/** Reads what a release has become. Lists are read by pages and kept only as far as they are told. */
export async function readState(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<Observed>> {
  const known = await readInventory(cluster, release, wait)
  if (!known.ok) return known
  const prints = new Map<string, string>()
  const found: { object: KubeObject; selector: Record<string, string> }[] = []
  const kinds = new Map(release.objects.filter(({ kind }) => kind !== 'Job').map((object) => [object.kind, object]))
  for (const { apiVersion, kind } of kinds.values()) {
    const listed = await list(cluster, pathOf(release.namespace, { apiVersion, kind }), release, wait, (item) => {
      const object = { ...item, apiVersion, kind }
      if (!isOurs(object, release)) return
      prints.set(refKey(refOf(object)), fingerprint(object))
      if (lasting.includes(kind)) found.push({ object: slim(object), selector: selectorIn(object) })
    })
    if (!listed.ok) return listed
  }
  const pods = found.map((): Pod[] => [])
  const listed = await list(cluster, `/api/v1/namespaces/${release.namespace}/pods`, release, wait, (pod) => {
    const at = found.findIndex(({ selector }) => isSelected(pod, selector))
    if (at >= 0) pods[at]?.push(slimPod(pod as Pod))
  })
  if (!listed.ok) return listed
  const workloads = found.map(({ object }, index) => workloadState(object, pods[index] ?? []))
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
  selector?: { matchLabels?: Record<string, string> }
  template?: { spec?: { containers?: { image?: string }[] } }
}
interface Numbers {
  readyReplicas?: number
  desiredNumberScheduled?: number
  numberReady?: number
}
const specOf = (object: KubeObject): WorkloadSpec => (object.spec ?? {}) as WorkloadSpec
const selectorIn = (object: KubeObject): Record<string, string> => specOf(object).selector?.matchLabels ?? {}
const isSelected = ({ metadata }: KubeObject, selector: Record<string, string>): boolean => {
  const wanted = Object.entries(selector)
  return wanted.length > 0 && wanted.every(([key, value]) => metadata.labels?.[key] === value)
}
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
    ...(metadata.annotations ? { annotations: metadata.annotations } : {}),
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

function workloadState(object: KubeObject, pods: Pod[]): WorkloadState {
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
    pods: pods.map(podState),
  }
}

function podState(pod: Pod): PodState {
  const { containerStatuses = [], initContainerStatuses = [], phase = 'Pending', reason } = pod.status ?? {}
  const statuses = [...initContainerStatuses, ...containerStatuses]
  const waiting = statuses.map(({ state }) => state?.waiting?.reason).find(Boolean)
  const lastExit = lastExitOf(containerStatuses)
  const runId = pod.metadata.annotations?.[keys.run]
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
