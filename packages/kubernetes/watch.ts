import { done, type Outcome, oneLine } from '@taxiway/domain/reason.ts'
import { openBell } from './bell.ts'
import { type Answer, type Cluster, messageOf, type Wait, waitFor } from './cluster.ts'
import { type Explanation, explainPods } from './explain.ts'
import { type Health, healthOf, timedOutAt } from './health.ts'
import { stale } from './inventory.ts'
import {
  type ClusterRelease,
  describe,
  generationOf,
  isNewer,
  isWorkload,
  type KubeObject,
  keys,
  pathOf,
  refOf,
  selectorOf,
} from './object.ts'
import { isPodOf, isReady, type Pod, wrongDigest } from './pod.ts'

const lookEveryMs = 1_000
/** For logs and events, once the deadline is over. */
const explainForMs = 5_000

/** What watching came to; `detail` names the workload first. */
export type ClusterVerdict = { healthy: true; ready: string } | { healthy: false; detail: string }

interface Seen {
  workload: KubeObject
  health: Health
  pods: Pod[]
}

/**
 * Follows the workloads of a release until all are healthy and every ready pod runs our digests, or one can't become so,
 * or the wait is over. A watch of the API only rings: what is judged is always read anew, so that nothing depends on an
 * unbroken stream. `stale_generation` when a newer release takes over.
 */
export async function watchRelease(
  cluster: Cluster,
  release: ClusterRelease,
  wait: Wait,
): Promise<Outcome<ClusterVerdict>> {
  const workloads = release.objects.filter(isWorkload)
  const bell = openBell(cluster, collectionsOf(release, workloads), selectorOf(release), wait.signal)
  const before = new Map<string, string | undefined>()
  let told = ''
  try {
    while (true) {
      const over = performance.now() >= wait.untilMs - lookEveryMs / 10
      const grace = over ? waitFor(explainForMs, wait) : wait
      const seen = await look(cluster, release, { workloads, before }, grace)
      if (!seen.ok) return seen
      const verdict = await judge(cluster, seen.value, release, { over }, grace)
      if (verdict) return done(verdict)
      const line = seen.value.map(({ workload, health }) => `${workload.metadata.name}: ${health.detail}`).join(', ')
      if (line !== told) wait.say(line)
      told = line
      await bell.rung(Math.min(lookEveryMs, Math.max(wait.untilMs - performance.now(), 1)))
      wait.signal.throwIfAborted()
    }
  } finally {
    bell.close()
  }
}

async function look(
  cluster: Cluster,
  release: ClusterRelease,
  { workloads, before }: { workloads: KubeObject[]; before: Map<string, string | undefined> },
  wait: Wait,
): Promise<Outcome<Seen[]>> {
  const listing = cluster.call<{ items: Pod[] }>(
    {
      method: 'GET',
      path: `/api/v1/namespaces/${release.namespace}/pods`,
      query: { labelSelector: selectorOf(release), limit: '1000' },
    },
    wait,
  )
  const reads = workloads.map((object) =>
    cluster.call<KubeObject>({ method: 'GET', path: pathOf(release.namespace, refOf(object)) }, wait),
  )
  // Together: what is aborted rejects in both, and nobody would hear of the second.
  const [answers, pods] = await Promise.all([Promise.all(reads), listing])
  if (!pods.ok) return pods
  if (pods.value.status !== 200) throw unreadable('pods', pods.value)
  const seen: Seen[] = []
  for (const [index, answer] of answers.entries()) {
    const workload = workloads[index] as KubeObject
    if (!answer.ok) return answer
    if (answer.value.status === 404) {
      seen.push({ workload, health: { state: 'failed', detail: 'it was deleted meanwhile' }, pods: [] })
      continue
    }
    if (answer.value.status !== 200) throw unreadable(workload.metadata.name, answer.value)
    const live = answer.value.body
    const held = { generation: generationOf(live), runId: live.metadata.annotations?.[keys.run] }
    if (isNewer(held, release)) return stale(release, held.generation)
    const key = describe(live)
    if (!before.has(key)) before.set(key, timedOutAt(live))
    seen.push({
      workload: live,
      health: healthOf(live, before.get(key)),
      pods: podsOf(live, pods.value.body.items, release),
    })
  }
  return done(seen)
}

/** The pods that count; one that is on its way out does not, nor does any of a workload scaled to 0. */
function podsOf(workload: KubeObject, pods: Pod[], release: ClusterRelease): Pod[] {
  if ((workload.spec as { replicas?: number } | undefined)?.replicas === 0) return []
  return pods.filter((pod) => isPodOf(pod, workload, release) && !pod.metadata.deletionTimestamp)
}

async function judge(
  cluster: Cluster,
  seen: Seen[],
  release: ClusterRelease,
  { over }: { over: boolean },
  wait: Wait,
): Promise<ClusterVerdict | undefined> {
  for (const { workload, pods } of seen) {
    const wrong = pods.filter(isReady).flatMap((pod) => wrongDigest(pod, release.digests) ?? [])[0]
    if (wrong) return { healthy: false, detail: `${workload.metadata.name}: ${wrong}` }
  }
  const open = seen.filter(({ health }) => health.state !== 'healthy')
  if (open.length === 0) return { healthy: true, ready: readyLine(seen) }
  let first: { name: string; text: string } | undefined
  for (const { workload, health, pods } of open) {
    const last = over || health.state === 'failed'
    const explanation = await explainPods(cluster, pods, { nowMs: Date.now(), over: last }, wait)
    const name = workload.metadata.name
    if (explanation?.final || health.state === 'failed')
      return { healthy: false, detail: sentence(name, explanation, health) }
    if (over) first ??= { name, text: sentence(name, explanation, health) }
  }
  return first ? { healthy: false, detail: first.text } : undefined
}

const sentence = (name: string, explanation: Explanation | undefined, health: Health): string =>
  oneLine(`${name}: ${(explanation?.text ?? health.detail).replace(/\.$/, '')}`, 500)

const readyLine = (seen: Seen[]): string =>
  seen.map(({ workload, health }) => `${workload.metadata.name} ${health.detail}`).join(', ') || 'nothing to wait for'

const unreadable = (what: string, answer: Answer) =>
  new Error(`could not read ${what}: ${answer.status} ${messageOf(answer.body)}`)

const collectionsOf = ({ namespace }: ClusterRelease, workloads: KubeObject[]): string[] => [
  ...new Set(workloads.map(({ apiVersion, kind }) => pathOf(namespace, { apiVersion, kind }))),
]
