import type { Cause } from '@taxiway/domain/environment/explanation.ts'
import type { Cluster, Wait } from '../cluster/call.ts'
import { missingForMs } from '../health/pod.ts'
import type { Pod } from '../object.ts'
import { type Event, eventsOf } from './events.ts'
import type { Found, Question, Seen } from './finding.ts'

/** A pod may be in the making for so long before it is asked what holds it up. */
const startingForMs = 4_000

/** Why a pod's volumes can't be mounted: that stands in no status, only in events. */
export async function whyNotMounted(
  cluster: Cluster,
  { pods }: Seen,
  { namespace, lasting, over }: Question,
  wait: Wait,
): Promise<Found | undefined> {
  const pod = pods.find((one) => isStarting(one) && lasting(`${one.metadata.name}/creating`) >= startingForMs)
  if (!pod) return undefined
  const name = pod.metadata.name
  const events = await eventsOf(cluster, namespace, { kind: 'Pod', name }, wait)
  const failure = failureIn(events) ?? (await missingConfigMap(cluster, namespace, pod, wait))
  if (!failure) return undefined
  const { volume, said } = failure
  const isConfig = /configmap|secret|non-existent config key/i.test(said)
  const cause: Cause = isConfig ? 'config_missing' : 'volume_unavailable'
  const isLost = isConfig && /not found|non-existent/.test(said)
  const final = isLost && lasting(`${name}/creating`) >= missingForMs
  const text = `can't mount ${volume ? `volume ${volume}` : 'a volume'}: ${said}`
  return final || over ? { pod: name, cause, text, final, events } : undefined
}

function isStarting({ status }: Pod): boolean {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
  const isCreating = all.some(({ state }) => /^(ContainerCreating|PodInitializing)$/.test(state?.waiting?.reason ?? ''))
  return isCreating && !all.some(({ state }) => state?.running)
}

function failureIn(events: readonly Event[]): { volume?: string; said: string } | undefined {
  const failure = events.findLast(({ reason }) => reason === 'FailedMount' || reason === 'FailedAttachVolume')
  if (!failure) return undefined
  // The later and longer wait "timed out waiting for the condition" hides the cause.
  const telling = events.findLast(({ message }) => /^MountVolume\.\w+ failed/.test(message)) ?? failure
  const [, volume, said] = /for volume "([^"]+)" : (.*)$/s.exec(telling.message) ?? []
  return { said: said ?? telling.message, ...(volume ? { volume } : {}) }
}

/** Events may be late or dropped; a ConfigMap that is not there can be seen without them. */
async function missingConfigMap(cluster: Cluster, namespace: string, { spec }: Pod, wait: Wait) {
  for (const { name: volume, configMap } of spec.volumes ?? []) {
    if (!configMap?.name || configMap.optional) continue
    const path = `/api/v1/namespaces/${namespace}/configmaps/${encodeURIComponent(configMap.name)}`
    const answer = await cluster.call({ method: 'GET', path, may403: true }, wait)
    if (answer.ok && answer.value.status === 404) return { volume, said: `configmap "${configMap.name}" not found` }
  }
  return undefined
}
