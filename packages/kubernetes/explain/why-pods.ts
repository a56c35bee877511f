import type { Cluster, Wait } from '../cluster/call.ts'
import { type PodTrouble, troubleOf } from '../health/pod.ts'
import type { Pod } from '../object.ts'
import { pullsWith } from '../pull.ts'
import { type Event, eventsOf } from './events.ts'
import type { Found, Question, Seen } from './finding.ts'
import { killingProbe, probeAnswer } from './probe-answer.ts'
import { claimsOf } from './scheduling.ts'

/** A claim that nothing can be provided for must be told so for this long. */
const unboundForMs = 5_000
/** A node that has not heard of the credentials of its pod yet pulls without; it tries again after 10 s. */
const refusedForMs = 15_000

/** What the pods' own status says is wrong, with its cause from events where status hides it. */
export async function whyPodsFail(
  cluster: Cluster,
  { workload, pods }: Seen,
  { namespace, lasting, over, restarts: allowed = Number.POSITIVE_INFINITY }: Question,
  wait: Wait,
): Promise<Found | undefined> {
  const troubles = pods.flatMap((pod) => troubleOf(pod) ?? [])
  const isFinal = ({ pod, cause, text, weight, afterMs, log, restarts = -1 }: PodTrouble) => {
    // How often its program may fail, a Job says itself.
    if (workload.kind === 'Job' && log) return false
    if (restarts >= allowed) return true
    return weight === 'final' && (afterMs === undefined || lasting(`${pod}/${cause}/${text}`) >= afterMs)
  }
  const final = troubles.find(isFinal)
  const isAsked = ({ weight }: PodTrouble) => weight === 'image' || weight === 'claim'
  const trouble = final ?? troubles.find(isAsked) ?? (over ? troubles[0] : troubles.find(mayHeal))
  const pod = pods.find(({ metadata }) => metadata.name === trouble?.pod)
  if (!trouble || !pod) return undefined
  const events = await eventsOf(cluster, namespace, { kind: 'Pod', name: trouble.pod }, wait)
  const { weight, afterMs, restarts = 0, ...rest } = trouble
  const found = { ...rest, text: runtimeMessage(trouble.text), final: trouble === final, events }
  if (weight === 'image') {
    const why = whyNotPulled(events, found.text)
    const mayHeal =
      why.cause === 'image_refused' && pullsWith(pod.spec) && lasting(`${pod.metadata.name}/refused`) < refusedForMs
    return { ...found, ...why, final: why.final && !mayHeal }
  }
  if (weight === 'claim') return { ...found, ...(await whyNotBound(cluster, pod, { namespace, lasting, over }, wait)) }
  const why = trouble.cause === 'crash' ? whyKilled(pod, events, found) : found
  return why.final || over ? why : { ...why, meanwhile: told(why.text, restarts) }
}

/** Told while it is waited for: a program that ended and is started again, a node that may come. */
const mayHeal = ({ weight, cause, restarts = 0 }: PodTrouble): boolean =>
  weight === 'open' && (restarts > 0 || cause === 'unschedulable')

const told = (text: string, restarts: number): string =>
  restarts === 0 ? text : text.replace('crash loop, ', `restarted ${restarts === 1 ? 'once' : `${restarts} times`}, `)

/** The back-off hides the cause, which stands in an event; only a registry that said no makes it final. */
function whyNotPulled(events: readonly Event[], text: string): Pick<Found, 'cause' | 'text' | 'final'> {
  const failure = events.findLast(({ message }) => message.startsWith('Failed to pull image'))
  const said = failure?.message.replace(/^Failed to pull image "[^"]*": /, '') ?? text
  const told = runtimeMessage(
    failure ? `${text.slice(0, text.indexOf("image can't"))}image can't be pulled: ${said}` : text,
  )
  // The name of an image may hold any of these words.
  const answer = told.replaceAll(/\S+@sha256:[0-9a-f]+/g, '').replaceAll(/"[^"]*"/g, '')
  if (/unauthorized|(?<!permission )denied|forbidden|no basic auth|authentication required/i.test(answer))
    return { cause: 'image_refused', text: told, final: true }
  if (/manifest unknown|manifest for .*not found|name unknown|unknown blob|: not found|does not exist/i.test(answer))
    return { cause: 'image_not_found', text: told, final: true }
  return { cause: 'image_unreachable', text: told, final: false }
}

/** A claim that is being provided for takes its time; one for which nothing can be provided does not get better. */
async function whyNotBound(
  cluster: Cluster,
  pod: Pod,
  { namespace, lasting }: Question,
  wait: Wait,
): Promise<Partial<Found>> {
  for (const name of claimsOf(pod)) {
    const events = await eventsOf(cluster, namespace, { kind: 'PersistentVolumeClaim', name }, wait)
    const failure = events.findLast(({ reason }) => reason === 'FailedBinding' || reason === 'ProvisioningFailed')
    if (!failure || failure !== events.at(-1)) continue
    const text = `volume claim ${name} is not bound: ${failure.message.replace(/\.$/, '')}`
    const isLost = /no persistent volumes available|not found/.test(failure.message)
    return { text, final: isLost && lasting(`${name}/${text}`) >= unboundForMs, events }
  }
  return {}
}

/** The exit code of a container that its own probe killed says nothing; the probe's answer does. */
export function whyKilled(pod: Pod, events: readonly Event[], found: Found): Found {
  const name = found.container ?? ''
  const status = pod.status?.containerStatuses?.find((one) => one.name === name)
  const last = status?.state?.terminated ?? status?.lastState?.terminated
  const probe = last && killingProbe(events, name, last)
  if (!probe) return found
  const answer = probeAnswer(pod, events, [probe])?.answer ?? 'it failed'
  const which = pod.spec.containers.length > 1 ? `container ${name}: ` : ''
  const times = (status?.restartCount ?? 0) > 1 ? 'again and again ' : ''
  return { ...found, cause: 'not_alive', text: `${which}killed ${times}by its ${probe.toLowerCase()} probe: ${answer}` }
}

/** Without the preambles that each layer puts before the next. */
export const runtimeMessage = (text: string): string =>
  text
    .replaceAll(
      /rpc error: code = \w+ desc = |Error response from daemon: |failed to (start|create) container "[^"]*": /g,
      '',
    )
    .replaceAll(/failed to (pull and unpack image|resolve reference) "[^"]*": /g, '')
    .replaceAll(/OCI runtime create failed: |container_linux\.go:\d+: |runc create failed: /g, '')
    .replace(/(manifest unknown): \1/, '$1')
