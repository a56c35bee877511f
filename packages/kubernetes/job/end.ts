import { setTimeout as sleep } from 'node:timers/promises'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { Answer, Cluster, Wait } from '../cluster/call.ts'
import { type ClusterRelease, describe, type KubeObject, keys, type Pod, pathOf, refOf, selectorOf } from '../object.ts'

const gonePollMs = 200
/** What the Jobs of releases are. */
export const jobs = { apiVersion: 'batch/v1', kind: 'Job' }

/** Ends jobs of other runs: whoever had them is not there any more, or was made to give way. */
export async function endOthers(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<void>> {
  const path = pathOf(release.namespace, jobs)
  const query = { labelSelector: `${selectorOf(release)},${keys.job}` }
  const answer = await cluster.call<{ items?: KubeObject[] }>({ method: 'GET', path, query }, wait)
  if (!answer.ok) return answer
  for (const found of answer.value.body.items ?? []) {
    if (found.metadata.annotations?.[keys.run] === release.runId) continue
    const ended = await endClusterJob(cluster, release, { ...found, ...jobs }, wait)
    if (!ended.ok) return ended
  }
  return done(undefined)
}

/** Removes a Job, and waits until nothing of it runs. Gone is success. */
export async function endClusterJob(
  cluster: Cluster,
  release: Pick<ClusterRelease, 'namespace'>,
  job: KubeObject,
  wait: Wait,
): Promise<Outcome<void>> {
  const path = pathOf(release.namespace, refOf(job))
  const deleted = await cluster.call({ method: 'DELETE', path, body: { propagationPolicy: 'Foreground' } }, wait)
  if (!deleted.ok) return deleted
  return awaitGone(cluster, release, job, wait, async () => {
    const pods = await podsOf(cluster, release, job, wait)
    // A node may take a minute to forget a pod whose containers have ended.
    return (
      pods.ok && pods.value.length > 0 && pods.value.every((pod) => pod.metadata.deletionTimestamp && !isRunning(pod))
    )
  })
}

/** Does a container of the pod run? */
export const isRunning = ({ status }: Pod): boolean =>
  status?.containerStatuses?.some(({ state }) => state?.running) ?? false

/** Waits until a Job is gone, or over by other signs. */
export async function awaitGone(
  cluster: Cluster,
  release: Pick<ClusterRelease, 'namespace'>,
  job: KubeObject,
  wait: Wait,
  isOver: () => Promise<boolean> = async () => false,
): Promise<Outcome<void>> {
  for (;;) {
    const answer: Outcome<Answer> = await cluster.call(
      { method: 'GET', path: pathOf(release.namespace, refOf(job)) },
      wait,
    )
    if (!answer.ok) return answer
    if (answer.value.status === 404 || (await isOver())) return done(undefined)
    if (performance.now() > wait.untilMs)
      return refuse('manifest_conflict', { object: describe(job), detail: 'it does not go away' })
    await sleep(gonePollMs, undefined, { signal: wait.signal })
  }
}

/** The pods that a Job has made. */
export async function podsOf(
  cluster: Cluster,
  release: Pick<ClusterRelease, 'namespace'>,
  job: KubeObject,
  wait: Wait,
): Promise<Outcome<Pod[]>> {
  const path = `/api/v1/namespaces/${release.namespace}/pods`
  const query = { labelSelector: `job-name=${job.metadata.name}` }
  const answer = await cluster.call<{ items?: Pod[] }>({ method: 'GET', path, query }, wait)
  return answer.ok ? done(answer.value.body.items ?? []) : answer
}
