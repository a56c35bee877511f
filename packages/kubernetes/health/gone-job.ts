import type { Cluster, Wait } from '../cluster/call.ts'
import { type Event, eventsOf } from '../explain/events.ts'
import type { KubeObject } from '../object.ts'
import type { Health } from './status.ts'

/**
 * What a Job came to that is not there any more. One that was seen complete is done, and so is one that the cluster itself
 * removes once it has ended (`ttlSecondsAfterFinished`), unless the last that was told of it is that it failed.
 */
export async function healthOfGone(
  cluster: Cluster,
  namespace: string,
  job: KubeObject,
  { wasComplete }: { wasComplete: boolean },
  wait: Wait,
): Promise<Health> {
  if (wasComplete) return { state: 'healthy', detail: 'complete' }
  if (job.kind !== 'Job' || !endsWithTime(job)) return { state: 'failed', detail: 'it was deleted meanwhile' }
  return endIn(await eventsOf(cluster, namespace, { kind: 'Job', name: job.metadata.name }, wait))
}

/** How the last Job of a name ended, by what its controller told, oldest first. */
export function endIn(events: readonly Event[]): Health {
  const last = events.findLast(({ type, reason }) => reason === 'Completed' || (type === 'Warning' && isEnd(reason)))
  if (last?.type === 'Warning') return { state: 'failed', detail: last.message.replace(/\.$/, '') }
  return { state: 'healthy', detail: 'complete' }
}

const isEnd = (reason = ''): boolean =>
  [
    'BackoffLimitExceeded',
    'DeadlineExceeded',
    'PodFailurePolicy',
    'FailedIndexes',
    'MaxFailedIndexesExceeded',
  ].includes(reason)

const endsWithTime = ({ spec }: KubeObject): boolean =>
  (spec as { ttlSecondsAfterFinished?: number } | undefined)?.ttlSecondsAfterFinished !== undefined
