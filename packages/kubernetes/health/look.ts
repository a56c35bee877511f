import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { type Answer, type Cluster, messageOf, type Wait } from '../cluster/call.ts'
import type { Seen } from '../explain/finding.ts'
import { stale } from '../inventory.ts'
import {
  type ClusterRelease,
  describe,
  generationOf,
  isJudged,
  isNewer,
  type KubeObject,
  keys,
  type Pod,
  pathOf,
  refOf,
} from '../object.ts'
import { healthOfGone } from './gone-job.ts'
import { healthOf, timedOutAt } from './health.ts'
import { type OwnedPods, readOwnedPods } from './owned.ts'

/** Reads the workloads of a release and their pods anew. `stale_generation` when a newer release took over. */
export type Look = (wait: Wait) => Promise<Outcome<Seen[]>>

/**
 * Makes the look at one release; it keeps what must not be forgotten between two looks.
 * @param areJobsDone its Jobs have been seen complete: one that is gone is missed by nobody
 */
export function makeLook(cluster: Cluster, release: ClusterRelease, { areJobsDone = false } = {}): Look {
  const workloads = release.objects.filter(isJudged)
  const before = new Map<string, string | undefined>()
  const complete = new Set<string>()
  const lastPods = new Map<string, Pod[]>()
  const pullErrors = new Map<string, string>()
  const replacing = new Set<string>()
  return async (wait) => {
    const kinds = workloads.map(({ kind }) => kind)
    const listing = readOwnedPods(cluster, { namespace: release.namespace, kinds }, wait)
    const reads = workloads.map((object) =>
      cluster.call<KubeObject>({ method: 'GET', path: pathOf(release.namespace, refOf(object)) }, wait),
    )
    // Together: what is aborted rejects in both, and nobody would hear of the second.
    const [answers, pods] = await Promise.all([Promise.all(reads), listing])
    if (!pods.ok) return pods
    const isMakingRoom = pods.value.all.some(({ metadata }) => metadata.deletionTimestamp)
    const seen: Seen[] = []
    for (const [index, answer] of answers.entries()) {
      const workload = workloads[index] as KubeObject
      if (!answer.ok) return answer
      if (answer.value.status === 404) {
        const isJob = workload.kind === 'Job'
        const wasComplete = isJob && (areJobsDone || complete.has(describe(workload)))
        const health = await healthOfGone(cluster, release.namespace, workload, { wasComplete }, wait)
        seen.push({ workload, health, pods: [], isMakingRoom })
        continue
      }
      if (answer.value.status !== 200) throw unreadable(workload.metadata.name, answer.value)
      const live = answer.value.body
      const held = { generation: generationOf(live), runId: live.metadata.annotations?.[keys.run] }
      if (isNewer(held, release)) return stale(release, held.generation)
      const key = describe(live)
      if (!before.has(key)) before.set(key, timedOutAt(live))
      const its = podsOf(live, pods.value)
      // The pods of a Job that has failed are removed at once, and with them what they ended with.
      const known = its.length > 0 || live.kind !== 'Job' ? its : (lastPods.get(key) ?? [])
      lastPods.set(key, known)
      for (const pod of known) keepPullErrors(pod, pullErrors)
      if (pods.value.of(live).length > pods.value.currentOf(live).length) replacing.add(key)
      const health = healthOf(live, before.get(key))
      if (live.kind === 'Job' && health.state === 'healthy') complete.add(key)
      seen.push({ workload: live, health, pods: known, isMakingRoom, isReplacing: replacing.has(key) })
    }
    return done(seen)
  }
}

/** While a node waits to pull again it does not say why any more, and its events may be late: what it said before stands. */
function keepPullErrors({ metadata, status }: Pod, errors: Map<string, string>): void {
  for (const { name, state } of [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]) {
    const key = `${metadata.name}/${name}`
    const waiting = state?.waiting
    if (waiting?.reason === 'ErrImagePull' && waiting.message) errors.set(key, waiting.message)
    if (waiting?.reason === 'ImagePullBackOff') waiting.message = errors.get(key) ?? waiting.message ?? ''
  }
}

/** The pods that count; one that is on its way out does not (but for a Job's: it ended), nor does any of a workload scaled to 0. */
function podsOf(workload: KubeObject, pods: OwnedPods): Pod[] {
  if ((workload.spec as { replicas?: number } | undefined)?.replicas === 0) return []
  return pods.currentOf(workload).filter((pod) => workload.kind === 'Job' || !pod.metadata.deletionTimestamp)
}

const unreadable = (what: string, answer: Answer) =>
  new Error(`could not read ${what}: ${answer.status} ${messageOf(answer.body)}`)
