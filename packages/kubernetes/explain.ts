import { oneLine } from '@taxiway/domain/reason.ts'
import type { Cluster, Wait } from './cluster.ts'
import type { KubeObject } from './object.ts'
import { isReady, type Pod, type PodTrouble, troubleOf } from './pod.ts'

const sentenceLimit = 400
const logTailLines = 20
const logLimitBytes = 16_384

/** Why something is not healthy, and whether waiting can't change that. */
export interface Explanation {
  final: boolean
  text: string
}

/**
 * Explains from pods, events and logs why pods are not ready. Undefined while there is nothing to tell.
 * @param over the time is over: also explain what is merely slow
 */
export async function explainPods(
  cluster: Cluster,
  pods: readonly Pod[],
  { nowMs, over }: { nowMs: number; over: boolean },
  wait: Wait,
): Promise<Explanation | undefined> {
  const troubles = pods.flatMap((pod) => troubleOf(pod, nowMs) ?? [])
  const trouble =
    troubles.find(({ weight }) => weight === 'final') ??
    troubles.find(({ weight }) => weight === 'image') ??
    (over ? troubles[0] : undefined)
  const namespace = pods[0]?.metadata.namespace ?? 'default'
  if (trouble) return explainTrouble(cluster, namespace, trouble, wait)
  const waiting = over ? pods.find((pod) => !isReady(pod)) : undefined
  if (!waiting) return undefined
  const warning = (await warningsOf(cluster, waiting, wait)).at(-1)
  const text = warning?.reason === 'Unhealthy' ? `never ready: ${warning.message}` : warning?.message
  return { final: false, text: oneLine(text ?? 'never ready: its readiness probe never passed', sentenceLimit) }
}

async function explainTrouble(
  cluster: Cluster,
  namespace: string,
  trouble: PodTrouble,
  wait: Wait,
): Promise<Explanation> {
  if (trouble.weight === 'image') return explainPull(cluster, namespace, trouble, wait)
  const line = trouble.log ? await lastLine(cluster, namespace, trouble, wait) : undefined
  const text = runtimeMessage(trouble.text)
  return { final: trouble.weight === 'final', text: oneLine(line ? `${text}: ${line}` : text, sentenceLimit) }
}

/** The back-off hides the cause, which stands in an event; only a registry that said no makes it final. */
async function explainPull(cluster: Cluster, namespace: string, trouble: PodTrouble, wait: Wait): Promise<Explanation> {
  const involved = { kind: 'Pod', metadata: { name: trouble.pod, namespace } } as KubeObject
  const warnings = await warningsOf(cluster, involved, wait)
  const failure = warnings.findLast(({ message }) => message.startsWith('Failed to pull image'))
  const cause = failure?.message.replace(/^Failed to pull image "[^"]*": /, '')
  const text = runtimeMessage(cause ? `image can't be pulled: ${cause}` : trouble.text)
  const final = /not found|manifest unknown|unknown blob|unauthorized|denied|forbidden|no basic auth|invalid/i.test(
    text,
  )
  return { final, text: oneLine(text, sentenceLimit) }
}

/** Without the preambles that each layer puts before the next. */
export const runtimeMessage = (text: string): string =>
  text
    .replaceAll(
      /rpc error: code = \w+ desc = |Error response from daemon: |failed to (start|create) container "[^"]*": /g,
      '',
    )
    .replaceAll(/OCI runtime create failed: |container_linux\.go:\d+: |runc create failed: /g, '')
    .replace(/(manifest unknown): \1/, '$1')

interface Event {
  type?: string
  reason?: string
  message: string
  lastTimestamp?: string | null
  eventTime?: string | null
  metadata: { creationTimestamp?: string }
}

/** The warnings about an object, oldest first. None when they can't be read. */
export async function warningsOf(cluster: Cluster, object: KubeObject, wait: Wait): Promise<Event[]> {
  const answer = await cluster.call<{ items?: Event[] }>(
    {
      method: 'GET',
      path: `/api/v1/namespaces/${object.metadata.namespace}/events`,
      query: { fieldSelector: `involvedObject.name=${object.metadata.name},type=Warning`, limit: '100' },
      may403: true,
    },
    wait,
  )
  if (!answer.ok) return []
  const timeOf = (event: Event) => event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? ''
  return (answer.value.body.items ?? []).toSorted((a, b) => timeOf(a).localeCompare(timeOf(b)))
}

async function lastLine(
  cluster: Cluster,
  namespace: string,
  { pod, container, log }: PodTrouble,
  wait: Wait,
): Promise<string | undefined> {
  for (const previous of log === 'previous' ? ['true', 'false'] : ['false']) {
    const answer = await cluster.call<string>(
      {
        method: 'GET',
        path: `/api/v1/namespaces/${namespace}/pods/${pod}/log`,
        query: {
          ...(container ? { container } : {}),
          previous,
          tailLines: String(logTailLines),
          limitBytes: String(logLimitBytes),
        },
        may403: true,
      },
      wait,
    )
    if (!answer.ok) return undefined
    if (answer.value.status !== 200 || typeof answer.value.body !== 'string') continue
    const line = answer.value.body.split('\n').findLast((text) => text.trim() !== '')
    if (line) return line.trim()
  }
  return undefined
}
