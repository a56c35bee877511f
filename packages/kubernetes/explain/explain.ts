import type { Explanation } from '@taxiway/domain/environment/explanation.ts'
import { oneLine } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { endingOf, isReady } from '../health/pod.ts'
import { describe, type Pod } from '../object.ts'
import { creationTrouble, mayGetRoom } from './creation.ts'
import { eventsOf, happeningsIn, isAbout } from './events.ts'
import type { Finding, Found, Question, Seen } from './finding.ts'
import { lastLines } from './pod-log.ts'
import { probeAnswer, readinessOf } from './probe-answer.ts'
import { whyNotMounted } from './volumes.ts'
import { whyKilled, whyPodsFail } from './why-pods.ts'

const sayLimit = 300

/**
 * Explains from status, events and logs why a workload is not healthy. Undefined while there is nothing to tell. The whole
 * account (log, events) is gathered only for what ends the wait.
 */
export async function explainWorkload(
  cluster: Cluster,
  seen: Seen,
  question: Question,
  wait: Wait,
): Promise<Finding | undefined> {
  const noPods = await whyNoPods(cluster, seen, question, wait)
  const found =
    (noPods?.final || question.over ? noPods : undefined) ??
    (await whyPodsFail(cluster, seen, question, wait)) ??
    (await whyNotMounted(cluster, seen, question, wait)) ??
    noPods ??
    (question.over ? await whyNotReady(cluster, seen, question, wait) : undefined)
  if (!found) return undefined
  if (found.final || question.over)
    return { final: found.final, explanation: await account(cluster, seen, found, question, wait) }
  await tell(cluster, seen, found, question, wait)
  return undefined
}

/** Says once what is waited for. */
async function tell(
  cluster: Cluster,
  seen: Seen,
  { meanwhile, ...found }: Found,
  question: Question,
  wait: Wait,
): Promise<void> {
  const { name } = seen.workload.metadata
  if (!meanwhile || !question.isNews?.(`${name}: ${meanwhile}`)) return
  const { text } = await account(cluster, seen, { ...found, text: meanwhile }, question, wait)
  wait.say(`${name}: ${oneLine(text, sayLimit)}`)
}

/** The pods that a workload should have are refused: its quota, a limit, a webhook. */
async function whyNoPods(
  cluster: Cluster,
  seen: Seen,
  { namespace, lasting }: Question,
  wait: Wait,
): Promise<Found | undefined> {
  const { workload, health, pods } = seen
  let message = health.refused
  if (workload.kind !== 'Deployment' && pods.every(isReady) && health.state !== 'healthy') {
    const events = await eventsOf(cluster, namespace, { kind: workload.kind, name: workload.metadata.name }, wait)
    const last = events.findLast(({ reason }) => reason === 'FailedCreate' || reason === 'SuccessfulCreate')
    message =
      last?.reason === 'FailedCreate'
        ? last.message.replace(/^create Pod \S+ in \S+ \S+ failed error: /, '')
        : undefined
  }
  if (!message) return undefined
  const { afterMs, ...trouble } = creationTrouble(message)
  const isLasting = lasting(`${workload.metadata.name}/${trouble.text}`) >= afterMs
  const final = trouble.final && isLasting && !(trouble.cause === 'quota_exceeded' && mayGetRoom(seen))
  return { ...trouble, final, ...(final ? {} : { meanwhile: trouble.text }) }
}

/** The time is over, and nothing is broken: what the probes last answered, or where it stands. */
async function whyNotReady(
  cluster: Cluster,
  { workload, health, pods, isMakingRoom }: Seen,
  { namespace }: Question,
  wait: Wait,
): Promise<Found> {
  const isJob = workload.kind === 'Job'
  const pod = pods.find((one) => !isReady(one))
  if (!pod || isJob) {
    const leaving = isMakingRoom && !isJob ? ', earlier pods are still on their way out' : ''
    const cause = health.state === 'failed' && isJob ? 'job_failed' : 'slow'
    return { cause, text: `${health.detail}${leaving}`, final: false }
  }
  const events = await eventsOf(cluster, namespace, { kind: 'Pod', name: pod.metadata.name }, wait)
  const last = probeAnswer(pod, events, ['Readiness', 'Startup', 'Liveness'])
  const found = { pod: pod.metadata.name, events, final: false }
  const begun = pod.status?.initContainerStatuses?.find(({ name, state }) => state?.running && !isSidecar(pod, name))
  if (begun)
    return {
      ...found,
      cause: 'slow',
      container: begun.name,
      text: `init container ${begun.name} has not ended`,
      log: 'current',
    }
  if (last) {
    const which = pod.spec.containers.length > 1 ? `container ${last.container}: ` : ''
    const text = `${which}never ready: ${last.answer}`
    return { ...found, cause: 'not_ready', container: last.container, text, log: 'current' }
  }
  const warning = events.findLast(({ type }) => type === 'Warning')?.message
  const waits = pod.status?.containerStatuses?.find(({ state }) => state?.waiting)?.state?.waiting?.reason
  const text = warning ?? `never ready: ${waits ?? `${readinessOf(pod)} never passed`}`
  return { ...found, cause: waits ? 'slow' : 'not_ready', text }
}

/** An init container that is to go on beside the others (Kubernetes 1.28). */
const isSidecar = ({ spec }: Pod, name: string): boolean =>
  (spec.initContainers ?? []).some((one) => one.name === name && one.restartPolicy === 'Always')

/** Explains why a pod that was ready restarted, or is not ready any more; `words` stand before the cause. */
export async function explainLoss(
  cluster: Cluster,
  seen: Seen,
  pod: Pod,
  { namespace, words = 'did not stay healthy' }: { namespace: string; words?: string },
  wait: Wait,
): Promise<Explanation> {
  const events = await eventsOf(cluster, namespace, { kind: 'Pod', name: pod.metadata.name }, wait)
  const ending = endingOf(pod)
  const answer = probeAnswer(pod, events, ['Readiness'])
  const found: Found = ending
    ? whyKilled(pod, events, { ...ending, final: true, events })
    : {
        pod: pod.metadata.name,
        cause: 'not_ready',
        text: `not ready any more: ${answer?.answer ?? `${readinessOf(pod)} failed`}`,
        ...(answer ? { container: answer.container } : {}),
        log: 'current',
        final: true,
        events,
      }
  return account(cluster, seen, { ...found, text: `${words}: ${found.text}` }, { namespace }, wait)
}

/** Puts a finding into a sentence and adds what people look at next: the container's last lines, and what was told. */
async function account(
  cluster: Cluster,
  { workload, health }: Seen,
  { final: _, log, events = [], ...found }: Found,
  { namespace }: Pick<Question, 'namespace'>,
  wait: Wait,
): Promise<Explanation> {
  const { pod, container } = found
  const lines =
    log && pod
      ? await lastLines(
          cluster,
          { namespace, pod, ...(container ? { container } : {}), previous: log === 'previous' },
          wait,
        )
      : []
  const line = found.cause === 'not_ready' || found.cause === 'not_alive' ? undefined : lines.at(-1)?.trim()
  const isFailedJob = workload.kind === 'Job' && health.state === 'failed'
  const text = `${found.text.replace(/\.$/, '')}${line ? `: ${line}` : ''}`
  const happenings = happeningsIn(
    events.filter((event) => !container || !event.involvedObject?.fieldPath || isAbout(event, container)),
  )
  return {
    workload: describe(workload),
    ...found,
    ...(isFailedJob ? { cause: 'job_failed' as const } : {}),
    text,
    ...(lines.length > 0 ? { log: lines } : {}),
    ...(happenings.length > 0 ? { events: happenings } : {}),
  }
}
