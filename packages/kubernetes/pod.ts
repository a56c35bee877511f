import { type ClusterRelease, type KubeObject, keys } from './object.ts'

/** The fields of a pod that are read. */
export interface Pod extends KubeObject {
  spec: { containers: { name: string; image?: string }[] }
  status?: {
    phase?: string
    reason?: string
    message?: string
    conditions?: { type: string; status: string; reason?: string; message?: string; lastTransitionTime?: string }[]
    containerStatuses?: ContainerStatus[]
    initContainerStatuses?: ContainerStatus[]
  }
}
interface Terminated {
  exitCode: number
  reason?: string
  message?: string
  signal?: number
  finishedAt?: string
}
export interface ContainerStatus {
  name: string
  ready: boolean
  restartCount: number
  imageID?: string
  state?: { waiting?: { reason?: string; message?: string }; running?: object; terminated?: Terminated }
  lastState?: { terminated?: Terminated }
}

/** What keeps a pod from being ready. */
export interface PodTrouble {
  pod: string
  container?: string
  /**
   * `final`: it won't heal by waiting. `image`: final if the registry said no rather than nothing. `open`: only told when
   * the time is over.
   */
  weight: 'final' | 'image' | 'open'
  text: string
  /** Whose last line of log explains it: of the container before the restart, or of this one. */
  log?: 'previous' | 'current'
}

/** A program may fail this often before it counts as a crash loop: many wait for a neighbour by exiting. */
const restartsAllowed = 2
const unschedulableForMs = 10_000

/** Does the pod belong to this release and to this workload? */
export function isPodOf(pod: Pod, workload: KubeObject, release: Pick<ClusterRelease, 'runId'>): boolean {
  const labels = pod.metadata.labels ?? {}
  const selector = (workload.spec as { selector?: { matchLabels?: Record<string, string> } }).selector?.matchLabels
  const isSelected =
    workload.kind === 'Job'
      ? labels['job-name'] === workload.metadata.name
      : Object.entries(selector ?? { '': '' }).every(([key, value]) => labels[key] === value)
  return isSelected && pod.metadata.annotations?.[keys.run] === release.runId
}

export const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false

/**
 * The first container that runs other bytes than it was given: its image names one of our digests, and the runtime
 * reports another digest of the same repository.
 */
export function wrongDigest(pod: Pod, digests: readonly string[]): string | undefined {
  for (const { name, image } of pod.spec.containers) {
    if (image === undefined || !digests.includes(image)) continue
    const running = pod.status?.containerStatuses?.find((status) => status.name === name)?.imageID ?? ''
    const [repository, digest] = image.split('@') as [string, string]
    const comparable = running.includes(`${repository}@sha256:`)
    if (comparable && !running.endsWith(digest)) return `${name} runs ${running} instead of ${image}`
  }
  return undefined
}

/** Why the pod is not ready, or undefined when nothing is wrong that its status shows. */
export function troubleOf(pod: Pod, nowMs: number): PodTrouble | undefined {
  const status = pod.status ?? {}
  const name = pod.metadata.name
  const scheduled = status.conditions?.find((condition) => condition.type === 'PodScheduled')
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
    const sinceMs = nowMs - Date.parse(scheduled.lastTransitionTime ?? pod.metadata.creationTimestamp ?? '')
    const weight = sinceMs >= unschedulableForMs ? 'final' : 'open'
    return { pod: name, weight, text: `unschedulable: ${scheduled.message ?? 'no node fits'}` }
  }
  for (const container of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]) {
    const trouble = waitingTrouble(container) ?? exitTrouble(container)
    if (trouble) return { pod: name, container: container.name, ...trouble }
  }
  if (status.phase === 'Failed' && status.reason)
    return { pod: name, weight: 'open', text: `${status.reason}: ${status.message ?? 'pod failed'}` }
  return undefined
}

type ContainerTrouble = Omit<PodTrouble, 'pod' | 'container'>

function waitingTrouble({ state }: ContainerStatus): ContainerTrouble | undefined {
  const { reason = '', message = '' } = state?.waiting ?? {}
  if (reason === 'InvalidImageName' || reason === 'ErrImageNeverPull')
    return { weight: 'final', text: `image can't be pulled: ${message || reason}` }
  if (reason === 'ErrImagePull' || reason === 'ImagePullBackOff' || reason === 'RegistryUnavailable')
    return { weight: 'image', text: `image can't be pulled: ${message || reason}` }
  if (reason === 'CreateContainerConfigError') return { weight: 'final', text: `can't start: ${message || reason}` }
  if (reason === 'CreateContainerError' || reason === 'RunContainerError')
    return { weight: isMissingProgram(message) ? 'final' : 'open', text: `can't start: ${message || reason}` }
  return undefined
}

function exitTrouble({ state, lastState, restartCount, ready }: ContainerStatus): ContainerTrouble | undefined {
  const last = state?.terminated ?? lastState?.terminated
  if (!last || ready || (state?.terminated?.exitCode === 0 && restartCount === 0)) return undefined
  const isLoop = restartCount >= restartsAllowed && !state?.running
  const weight = isLoop ? 'final' : 'open'
  if (last.reason === 'ContainerCannotRun')
    return {
      weight: isMissingProgram(last.message) ? 'final' : weight,
      text: `can't start: ${last.message ?? 'no program'}`,
    }
  const how =
    last.reason === 'OOMKilled'
      ? 'out of memory, killed'
      : last.signal
        ? `killed by signal ${last.signal}`
        : `exit ${last.exitCode}`
  const text = restartCount > 0 ? `crash loop, ${how}` : how
  return { weight, text, log: state?.terminated ? 'current' : 'previous' }
}

const isMissingProgram = (message = ''): boolean =>
  /executable file not found|no such file or directory|permission denied|not a directory/i.test(message)
