import { createHash } from 'node:crypto'
import { chosen, type LiveRelease, objectOf } from '@taxiway/domain/environment/release.ts'
import type { LiveTarget } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { restartWorkload, scaleWorkload } from '@taxiway/kubernetes/apply/adjust.ts'
import type { Cluster, Wait } from '@taxiway/kubernetes/cluster/call.ts'
import { openBell } from '@taxiway/kubernetes/cluster/watch-stream.ts'
import { correctRelease, findDrift } from '@taxiway/kubernetes/health/drift.ts'
import { followed, readState } from '@taxiway/kubernetes/health/state.ts'
import { type ClusterRelease, type ObjectRef, refOf, stamped } from '@taxiway/kubernetes/object.ts'
import { givePull, type PullCredentials, pullsWith } from '@taxiway/kubernetes/pull.ts'

/** Runs one call against the connected cluster, or refuses when there is none. */
export type Using = <T>(work: Work, call: (cluster: Cluster, wait: Wait) => Promise<Outcome<T>>) => Promise<Outcome<T>>

/** What a cluster can do for a release that is live. */
export function liveCalls(using: Using, connect: () => Promise<Cluster>): LiveTarget {
  return {
    state: (live, work) => using(work, (cluster, wait) => readState(cluster, released(live), wait)),
    follow: ({ order }, signal) => openBell(reached(connect), followed(order), signal),
    drift: (live, names, work) => using(work, (cluster, wait) => findDrift(cluster, released(live), names, wait)),
    correct: (live, work) => using(work, (cluster, wait) => correctRelease(cluster, released(live), wait)),
    scale: (live, { workload, replicas }, work) =>
      change(live, workload, (ref) =>
        using(work, (cluster, wait) => scaleWorkload(cluster, released(live), { ref, replicas }, wait)),
      ),
    restart: (live, { workload, at }, work) =>
      change(live, workload, (ref) =>
        using(work, (cluster, wait) => restartWorkload(cluster, released(live), { ref, mark: at }, wait)),
      ),
  }
}

/** Credentials change while releases are live: what a namespace was given last is known by its hash. */
export function keepPulling(using: Using, registryAuths: () => Promise<PullCredentials>): LiveTarget['keepPulling'] {
  const given = new Map<string, string>()
  return async ({ order: { namespace, objects } }, work) => {
    if (!pullsWith(objects)) return done(undefined)
    const credentials = await registryAuths()
    const print = createHash('sha256').update(JSON.stringify(credentials)).digest('base64url')
    if (given.get(namespace) === print) return done(undefined)
    const kept = await using(work, (cluster, wait) => givePull(cluster, namespace, credentials, wait))
    if (kept.ok) given.set(namespace, print)
    return kept
  }
}

/** A cluster that can't be reached is no watch yet; it is tried again. */
const reached = (connect: () => Promise<Cluster>): Pick<Cluster, 'follow'> => ({
  follow: async (path, query, signal) => (await connect().catch(() => undefined))?.follow(path, query, signal),
})

/** The objects as they are to be in the cluster, under the generation that is live. */
const released = (live: LiveRelease): ClusterRelease => stamped({ ...chosen(live), generation: live.generation })

async function change(
  live: LiveRelease,
  workload: string,
  call: (ref: ObjectRef) => Promise<Outcome<void>>,
): Promise<Outcome<void>> {
  const object = objectOf(live, workload)
  return object ? call(refOf(object)) : refuse('change_refused', { workload, detail: 'the live release has none' })
}
