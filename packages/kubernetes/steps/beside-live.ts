import { setTimeout as sleep } from 'node:timers/promises'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { deleteObject } from '../apply/prune.ts'
import { type Answer, type Cluster, messageOf, type Wait } from '../cluster/call.ts'
import { readOwnedPods } from '../health/owned.ts'
import { stale } from '../inventory.ts'
import { type ClusterRelease, describe, generationOf, type KubeObject, keys, type Pod, pathOf } from '../object.ts'
import { besideKeys, besideSelector } from './beside.ts'

/** Kinds that may stand beside, and the version in which they are asked for. */
const besideKinds = [
  { apiVersion: 'batch/v1', kind: 'Job' },
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'v1', kind: 'ConfigMap' },
] as const
const removeTries = 20
const retryMs = 100
const settleMs = 500

type Place = Pick<ClusterRelease, 'repositoryId' | 'environment' | 'namespace' | 'generation' | 'runId'>

/** What stands beside the objects of an environment, whichever run made it. `stale_generation` when one is newer. */
export async function listBeside(
  cluster: Cluster,
  release: Place,
  wait: Wait,
  wanted: readonly { apiVersion: string; kind: string }[] = besideKinds.slice(1, 2),
): Promise<Outcome<KubeObject[]>> {
  const found: KubeObject[] = []
  for (const ref of wanted) {
    const path = pathOf(release.namespace, ref)
    const answer = await cluster.call<{ items?: KubeObject[] }>(
      { method: 'GET', path, query: { labelSelector: besideSelector(release) }, may403: true },
      wait,
    )
    if (!answer.ok) return answer
    // Who may not look has not made any either.
    if (answer.value.status === 403) continue
    if (answer.value.status !== 200) throw unexpected(`list ${ref.kind}s`, answer.value)
    // Items of a list carry neither apiVersion nor kind.
    found.push(...(answer.value.body.items ?? []).map((item) => ({ ...item, ...ref })))
  }
  const newest = Math.max(0, ...found.map(generationOf))
  return newest > release.generation ? stale(release, newest) : done(found)
}

/** The pods of the Deployments that this run has put beside. */
export async function ownBeside(cluster: Cluster, release: Place, wait: Wait): Promise<Outcome<Pod[]>> {
  const listed = await listBeside(cluster, release, wait)
  if (!listed.ok) return listed
  const own = listed.value.filter(({ metadata }) => metadata.annotations?.[keys.run] === release.runId)
  if (own.length === 0) return done([])
  const pods = await readOwnedPods(cluster, { namespace: release.namespace, kinds: ['Deployment'] }, wait)
  return pods.ok ? done(own.flatMap((one) => pods.value.of(one))) : pods
}

/** Removes what stands beside: all of it, or only what other runs left. @returns what went, as `Kind/name` */
export async function removeBeside(
  cluster: Cluster,
  release: Place,
  wait: Wait,
  { ofOthers = false } = {},
): Promise<Outcome<string[]>> {
  const removed = new Set<string>()
  for (let tries = 0; tries < removeTries; tries++) {
    const listed = await listBeside(cluster, release, wait, besideKinds)
    if (!listed.ok) return listed
    const rest = listed.value.filter(
      ({ metadata }) =>
        !metadata.deletionTimestamp && !(ofOthers && metadata.annotations?.[keys.run] === release.runId),
    )
    if (rest.length === 0) return done([...removed])
    // Its status changes all the time, which makes the delete a conflict: then it is read again.
    if (tries > 0) await sleep(retryMs, undefined, { signal: wait.signal })
    for (const object of rest) {
      const deleted = await deleteObject(cluster, release.namespace, object, wait)
      if (!deleted.ok) return deleted
      if (deleted.value.status < 300) removed.add(describe(object))
    }
  }
  throw new Error(`what stands beside the release in ${release.namespace} changes faster than it can be removed`)
}

/**
 * Waits until no pod of a Deployment beside serves any more, once it was removed: they go after it, and until then a Service
 * that selects them would send to them. @param ofOthers only those that other runs left
 */
export async function awaitBesideGone(
  cluster: Cluster,
  release: Place,
  { ofOthers = false },
  wait: Wait,
): Promise<Outcome<void>> {
  const path = `/api/v1/namespaces/${release.namespace}/pods`
  for (let isFirst = true; ; isFirst = false) {
    const query = { labelSelector: besideSelector(release) }
    const answer = await cluster.call<{ items?: KubeObject[] }>({ method: 'GET', path, query }, wait)
    if (!answer.ok) return answer
    if (answer.value.status !== 200) throw unexpected('read pods', answer.value)
    const own = ofOthers ? await ownBeside(cluster, release, wait) : done([])
    if (!own.ok) return own
    const kept = new Set(own.value.map(({ metadata }) => metadata.uid))
    const left = (answer.value.body.items ?? []).filter(
      ({ metadata }) =>
        !metadata.deletionTimestamp && metadata.annotations?.[besideKeys.of] !== undefined && !kept.has(metadata.uid),
    )
    if (left.length === 0) {
      // What the cluster knows of pods reaches the one who keeps a Service's list of them a little later.
      if (!isFirst) await sleep(settleMs, undefined, { signal: wait.signal })
      return done(undefined)
    }
    if (performance.now() > wait.untilMs)
      return refuse('manifest_conflict', { object: `Pod/${left[0]?.metadata.name}`, detail: 'it does not go away' })
    await sleep(retryMs, undefined, { signal: wait.signal })
  }
}

const unexpected = (what: string, answer: Answer) =>
  new Error(`could not ${what}: ${answer.status} ${messageOf(answer.body)}`)
