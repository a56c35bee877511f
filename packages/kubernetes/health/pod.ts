import type { Cause } from '@taxiway/domain/environment/explanation.ts'
import { unschedulable } from '../explain/scheduling.ts'
import type { ContainerStatus, KubeObject, Pod, PodContainer } from '../object.ts'

/** What keeps a pod from being ready. */
export interface PodTrouble {
  pod: string
  container?: string
  cause: Cause
  /**
   * `final`: it won't heal by waiting. `image`, `claim`: whether it may is told by what the cluster says about it. `open`: only
   * told when the time is over.
   */
  weight: 'final' | 'image' | 'claim' | 'open'
  /** It must last so long before it counts as final: what it waits for may be on its way. */
  afterMs?: number
  text: string
  /** How often a container that has ended was started again: that may heal, unless the release says how often it may be so. */
  restarts?: number
  exitCode?: number
  /** Whose last lines of log explain it: of the container before the restart, or of this one. */
  log?: 'previous' | 'current'
}

/** What does not heal by itself may come so often before it counts as final. */
const restartsOfLoop = 2
/** What a shell answers when it can't run a command, or finds none of that name. */
const noCommandCodes = [126, 127]
/** A node asks again for what it did not find after up to 15 s, and it may not have heard of it yet. */
export const missingForMs = 20_000

export const isReady = (pod: Pod): boolean =>
  pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false

/** Since when the pod is ready, as the server writes it. Undefined: it is not. */
export const readySince = (pod: Pod): string | undefined => {
  const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready')
  return ready?.status === 'True' ? (ready.lastTransitionTime ?? '') : undefined
}

/**
 * The first container that runs other bytes than its workload was given: where that names one of our digests, the pod must
 * name the same digest, and the runtime must report it. Names are not compared: a webhook may put a mirror before them.
 */
export function wrongDigest(pod: Pod, workload: KubeObject, digests: readonly string[]): string | undefined {
  const { template } = (workload.spec ?? {}) as { template?: { spec?: { containers?: PodContainer[] } } }
  for (const { name, image } of template?.spec?.containers ?? []) {
    const digest = image && digests.includes(image) ? digestIn(image) : undefined
    if (!digest) continue
    const asked = pod.spec.containers.find((container) => container.name === name)?.image ?? 'nothing'
    const running = pod.status?.containerStatuses?.find((status) => status.name === name)?.imageID ?? ''
    const other = otherThan(digest, asked, running)
    if (other) return `container ${name} runs ${other} instead of ${image}`
  }
  return undefined
}

const digestIn = (image: string): string | undefined => /@(sha\d+:[0-9a-f]+)$/.exec(image)?.[1]

/** What a container runs, where that is not this digest. What a runtime reports of another repository than it was asked for is its own. */
function otherThan(digest: string, asked: string, running: string): string | undefined {
  const named = digestIn(asked)
  if (!named) return digestIn(running) === digest ? undefined : asked
  if (named !== digest) return asked
  const repository = asked.slice(0, asked.indexOf('@')).replace(/:[^:/]*$/, '')
  return running.includes(`${repository}@`) && !running.endsWith(digest) ? running : undefined
}

/** Why the pod is not ready, or undefined when nothing is wrong that its status shows. */
export function troubleOf(pod: Pod): PodTrouble | undefined {
  const status = pod.status ?? {}
  const name = pod.metadata.name
  const scheduled = status.conditions?.find((condition) => condition.type === 'PodScheduled')
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable')
    return { pod: name, ...unschedulable(pod, scheduled.message) }
  for (const container of status.initContainerStatuses ?? []) {
    const trouble = waitingTrouble(container, pod) ?? exitTrouble(container, pod)
    if (trouble) return { pod: name, container: container.name, ...asInit(trouble, container.name) }
  }
  for (const container of status.containerStatuses ?? []) {
    const trouble = waitingTrouble(container, pod) ?? exitTrouble(container, pod)
    if (trouble) return { pod: name, container: container.name, ...trouble }
  }
  if (status.phase === 'Failed' && status.reason)
    return { pod: name, cause: 'crash', weight: 'open', text: `${status.reason}: ${status.message ?? 'pod failed'}` }
  return undefined
}

/** How a container ended that has ended since the pod was ready; it may run again by now. */
export function endingOf(pod: Pod): PodTrouble | undefined {
  for (const container of pod.status?.containerStatuses ?? []) {
    const trouble = exitTrouble({ ...container, ready: false }, pod)
    const text = trouble && container.restartCount < 2 ? trouble.text.replace('crash loop, ', '') : trouble?.text
    if (trouble) return { pod: pod.metadata.name, container: container.name, ...trouble, text: text ?? trouble.text }
  }
  return undefined
}

type ContainerTrouble = Omit<PodTrouble, 'pod' | 'container'>

const asInit = (trouble: ContainerTrouble, name: string): ContainerTrouble => ({
  ...trouble,
  cause: trouble.cause === 'crash' ? 'init_failed' : trouble.cause,
  text: `init container ${name}: ${trouble.text}`,
})

/** A container by its name, if a pod has more than one: else nobody needs to be told which. */
const nameIn = (pod: Pod, container: string): string =>
  pod.spec.containers.length > 1 && pod.spec.containers.some(({ name }) => name === container)
    ? `container ${container}: `
    : ''

function waitingTrouble({ name, state }: ContainerStatus, pod: Pod): ContainerTrouble | undefined {
  const { reason = '', message = '' } = state?.waiting ?? {}
  const which = nameIn(pod, name)
  if (reason === 'InvalidImageName' || reason === 'ErrImageNeverPull')
    return { cause: 'image_not_found', weight: 'final', text: `${which}image can't be pulled: ${message || reason}` }
  if (reason === 'ErrImagePull' || reason === 'ImagePullBackOff' || reason === 'RegistryUnavailable')
    return { cause: 'image_unreachable', weight: 'image', text: `${which}image can't be pulled: ${message || reason}` }
  const text = `${which}can't start: ${message || reason}`
  if (reason === 'CreateContainerConfigError') {
    if (/not found|couldn't find key|non-existent/.test(message))
      return { cause: 'config_missing', weight: 'final', afterMs: missingForMs, text }
    return { cause: 'config_missing', weight: /runAsNonRoot|run as root/.test(message) ? 'final' : 'open', text }
  }
  if (reason === 'CreateContainerError' || reason === 'RunContainerError')
    return { cause: 'program_missing', weight: isMissingProgram(message) ? 'final' : 'open', text }
  return undefined
}

function exitTrouble({ name, state, lastState, restartCount, ready }: ContainerStatus, pod: Pod) {
  const last = state?.terminated ?? lastState?.terminated
  if (!last || ready || (state?.terminated?.exitCode === 0 && restartCount === 0)) return undefined
  const isMemory = last.reason === 'OOMKilled'
  const isForGood = isMemory || noCommandCodes.includes(last.exitCode)
  const weight = isForGood && restartCount >= restartsOfLoop && !state?.running ? 'final' : 'open'
  const ended = state?.running ? {} : { restarts: restartCount }
  const which = nameIn(pod, name)
  if (last.reason === 'ContainerCannotRun' || last.reason === 'StartError')
    return {
      cause: 'program_missing',
      weight: isMissingProgram(last.message) ? 'final' : weight,
      text: `${which}can't start: ${last.message ?? 'no program'}`,
      ...ended,
    } satisfies ContainerTrouble
  const how = isMemory
    ? `out of memory, killed${limitOf(pod, name)}`
    : last.signal
      ? `killed by signal ${last.signal}`
      : `exit ${last.exitCode}`
  return {
    cause: isMemory ? 'out_of_memory' : 'crash',
    weight,
    text: `${which}${restartCount > 0 ? `crash loop, ${how}` : how}`,
    ...ended,
    exitCode: last.exitCode,
    log: state?.terminated ? 'current' : 'previous',
  } satisfies ContainerTrouble
}

function limitOf(pod: Pod, name: string): string {
  const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
  const limit = all.find((container) => container.name === name)?.resources?.limits?.memory
  return limit ? ` at its limit of ${limit}` : ''
}

const isMissingProgram = (message = ''): boolean =>
  /executable file not found|no such file or directory|permission denied|not a directory/i.test(message)
