import type { Verdict } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { fieldManager } from '../apply/ownership.ts'
import { type Cluster, type Wait, waitFor } from '../cluster/call.ts'
import { openBell } from '../cluster/watch-stream.ts'
import { explainLoss } from '../explain/explain.ts'
import { makeLasting, type Seen } from '../explain/finding.ts'
import type { ClusterRelease, Pod } from '../object.ts'
import { makeLook } from './look.ts'
import { readySince } from './pod.ts'
import { collectionsOf, judge, unhealthy } from './watch.ts'

/** What was lost leaves its mark on the pod, so nothing is missed between two looks: the bell only makes them prompt. */
const lookEveryMs = 5_000
/** For logs and events, once the deadline is over. */
const explainForMs = 5_000

/**
 * Keeps an eye on a release that has become healthy: it stays so when no container of its pods restarts and no pod stops
 * being ready for `forMs`, and at the end all is healthy and runs our digests. Pods that had been so before have done that. What is replaced or added meanwhile (an
 * autoscaler, a drained node) is waited for until the wait is over. `stale_generation` when a newer release takes over.
 */
export async function soakRelease(
  cluster: Cluster,
  release: ClusterRelease,
  forMs: number,
  wait: Wait,
): Promise<Outcome<Verdict>> {
  const bell = openBell(cluster, collectionsOf(release), wait.signal)
  const look = makeLook(cluster, release, { areJobsDone: true })
  const lasting = makeLasting()
  let endMs = performance.now() + forMs
  const marks = new Map<string, Mark>()
  try {
    for (let isFirst = true; ; isFirst = false) {
      const nowMs = performance.now()
      const over = nowMs >= wait.untilMs
      const grace = over ? waitFor(explainForMs, wait) : wait
      const seen = await look(grace)
      if (!seen.ok) return seen
      if (isFirst && seen.value.every((one) => wasThere(one, forMs))) {
        wait.say('it has stayed so already: nothing was started anew')
        endMs = nowMs
      }
      if (isFirst) for (const pod of runningPods(seen.value)) marks.set(pod.metadata.name, markOf(pod))
      const lost = findLoss(seen.value, marks)
      if (lost) return done(unhealthy(await explainLoss(cluster, lost.seen, lost.pod, release, grace)))
      const verdict = nowMs >= endMs ? await judge(cluster, seen.value, release, { over, lasting }, grace) : undefined
      if (verdict) return done(verdict)
      const leftMs = (nowMs >= endMs ? wait.untilMs : endMs) - performance.now()
      await bell.rung(Math.min(nowMs >= endMs ? 1_000 : lookEveryMs, Math.max(leftMs, 1)))
      wait.signal.throwIfAborted()
    }
  } finally {
    bell.close()
  }
}

/**
 * Had all its pods been ready for so long before the release was applied? They have been through it then. The cluster's own
 * times are compared, so nobody's clock needs to be right.
 */
export function wasThere({ workload, pods }: Pick<Seen, 'workload' | 'pods'>, forMs: number): boolean {
  if (workload.kind === 'Job') return true
  const own = workload.metadata.managedFields?.findLast(
    ({ manager, operation, subresource }) => manager === fieldManager && operation === 'Apply' && !subresource,
  )
  const before = Date.parse(own?.time ?? '') - forMs
  return pods.every((pod) => Date.parse(readySince(pod) ?? '') < before)
}

/** What a pod must still have when the time is over. */
interface Mark {
  restarts: number
  readySince: string | undefined
}
const restartsOf = ({ status }: Pod): number =>
  (status?.containerStatuses ?? []).reduce((sum, { restartCount }) => sum + restartCount, 0)
const markOf = (pod: Pod): Mark => ({ restarts: restartsOf(pod), readySince: readySince(pod) })

/** A Job's pods are over when they have done their work. */
const runningPods = (seen: Seen[]): Pod[] =>
  seen.filter(({ workload }) => workload.kind !== 'Job').flatMap(({ pods }) => pods)

function findLoss(seen: Seen[], marks: Map<string, Mark>): { seen: Seen; pod: Pod } | undefined {
  for (const one of seen)
    for (const pod of one.pods) {
      const mark = marks.get(pod.metadata.name)
      if (!mark?.readySince) continue
      if (restartsOf(pod) > mark.restarts || readySince(pod) !== mark.readySince) return { seen: one, pod }
    }
  return undefined
}
