import { ownKind } from '@taxiway/domain/cluster/kinds.ts'
import type { KubeObject } from '../object.ts'
import { type Health, statusHealth } from './status.ts'

interface Condition {
  type: string
  status: string
  reason?: string
  message?: string
  lastUpdateTime?: string
}
interface Spec {
  replicas?: number
  paused?: boolean
  minReadySeconds?: number
  updateStrategy?: { type?: string; rollingUpdate?: { partition?: number } }
}
interface WorkloadStatus {
  observedGeneration?: number
  replicas?: number
  updatedReplicas?: number
  availableReplicas?: number
  readyReplicas?: number
  currentRevision?: string
  updateRevision?: string
  desiredNumberScheduled?: number
  updatedNumberScheduled?: number
  numberAvailable?: number
  conditions?: Condition[]
}

const healthy = (detail: string): Health => ({ state: 'healthy', detail })
const progressing = (detail: string): Health => ({ state: 'progressing', detail })
const failed = (detail: string): Health => ({ state: 'failed', detail })

/**
 * Is the object as its manifest wants it? The rules are those of `kubectl rollout status`; what runs no pods is healthy.
 * @param before the `timedOutAt` of before this release: a Deployment keeps that mark until it is through
 */
export function healthOf(object: KubeObject, before?: string): Health {
  const status = (object.status ?? {}) as WorkloadStatus
  const spec = (object.spec ?? {}) as Spec
  if (object.kind === 'Job') return jobHealth(status)
  const rule = { Deployment: deploymentHealth, StatefulSet: statefulSetHealth, DaemonSet: daemonSetHealth }[object.kind]
  if (!rule) return ownKind(object) ? healthy('in place') : statusHealth(object)
  const isSeen = (status.observedGeneration ?? 0) >= (object.metadata.generation ?? 1)
  if (!isSeen) return progressing('not seen by its controller yet')
  const health = rule(spec, status)
  const at = timedOutAt(object)
  if (health.state !== 'progressing' || at === undefined || at === before) return health
  return failed(`no progress within progressDeadlineSeconds, ${health.detail}`)
}

/** When a Deployment was last found to exceed its progress deadline, as the server writes it. */
export function timedOutAt(object: KubeObject): string | undefined {
  const progress = conditionOf((object.status ?? {}) as WorkloadStatus, 'Progressing')
  return progress?.reason === 'ProgressDeadlineExceeded' ? (progress.lastUpdateTime ?? '') : undefined
}

const conditionOf = (status: WorkloadStatus, type: string) =>
  status.conditions?.find((condition) => condition.type === type)

function deploymentHealth(spec: Spec, status: WorkloadStatus): Health {
  const wanted = spec.replicas ?? 1
  const { replicas = 0, updatedReplicas: updated = 0, availableReplicas: available = 0 } = status
  const count = `${Math.min(available, updated)} of ${wanted} pods ready`
  const failure = conditionOf(status, 'ReplicaFailure')
  if (spec.paused && (updated < wanted || replicas > updated))
    return progressing(`it is paused (kubectl rollout pause, or paused in its manifest), ${count}`)
  if (updated < wanted) return { ...progressing(count), ...(failure?.message ? { refused: failure.message } : {}) }
  if (replicas > updated) return progressing(`${replicas - updated} old pods still there`)
  return available < updated ? progressing(count) : healthy(`${available}/${wanted}`)
}

function statefulSetHealth(spec: Spec, status: WorkloadStatus): Health {
  const wanted = spec.replicas ?? 1
  const { readyReplicas = 0, availableReplicas = 0, updatedReplicas: updated = 0, replicas = 0 } = status
  const expected = wanted - (spec.updateStrategy?.rollingUpdate?.partition ?? 0)
  // Servers before 1.22 know no minReadySeconds here, and leave it out.
  const ready = spec.minReadySeconds ? availableReplicas : readyReplicas
  if (ready < wanted || replicas > wanted) return progressing(`${Math.min(ready, wanted)} of ${wanted} pods ready`)
  if (spec.updateStrategy?.type === 'OnDelete') return onDelete(updated, wanted)
  if (status.updateRevision !== status.currentRevision && updated < expected)
    return progressing(`${updated} of ${expected} pods updated`)
  return healthy(`${ready}/${wanted}`)
}

function daemonSetHealth(spec: Spec, status: WorkloadStatus): Health {
  const { desiredNumberScheduled: wanted = 0, updatedNumberScheduled: updated = 0, numberAvailable = 0 } = status
  const isOnDelete = spec.updateStrategy?.type === 'OnDelete'
  if (!isOnDelete && updated < wanted) return progressing(`${updated} of ${wanted} pods updated`)
  if (numberAvailable < wanted) return progressing(`${numberAvailable} of ${wanted} pods ready`)
  return isOnDelete ? onDelete(updated, wanted) : healthy(`${numberAvailable}/${wanted}`)
}

/** Whoever writes OnDelete decides when: the release waits for none, and says what does not run it yet. */
const onDelete = (updated: number, wanted: number): Health =>
  healthy(
    updated < wanted
      ? `${updated} of ${wanted} pods updated, the others once they are deleted (OnDelete)`
      : `${updated}/${wanted}`,
  )

/** Is a Job through? */
export function jobHealth(status: WorkloadStatus): Health {
  if (conditionOf(status, 'Complete')?.status === 'True') return healthy('complete')
  const failure = conditionOf(status, 'Failed')
  if (failure?.status === 'True') return failed(failure.message ?? failure.reason ?? 'failed')
  return progressing('not complete yet')
}
