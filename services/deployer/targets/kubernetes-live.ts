import type { Outcome } from '@taxiway/domain/reason.ts'
import { openBell } from '@taxiway/kubernetes/bell.ts'
import type { Cluster, Wait } from '@taxiway/kubernetes/cluster.ts'
import { selectorOf } from '@taxiway/kubernetes/object.ts'
import { followedPaths, readState } from '@taxiway/kubernetes/state.ts'
import type { LiveRelease, LiveTarget } from '../live-target.ts'
import { stamp } from '../render.ts'
import type { Work } from '../target.ts'

/** Runs one call against the connected cluster, or refuses when there is none. */
export type Using = <T>(work: Work, call: (cluster: Cluster, wait: Wait) => Promise<Outcome<T>>) => Promise<Outcome<T>>

/** What a cluster can do for a release that is live. */
export function liveCalls(using: Using, connect: () => Cluster): LiveTarget {
  return {
    state: (live, work) => using(work, (cluster, wait) => readState(cluster, released(live), wait)),
    follow: ({ order }, signal) => openBell(connect(), followedPaths(order), selectorOf(order), signal),
  }
}

/** The objects as they are in the cluster, under the generation that is live. */
const released = ({ order, generation }: LiveRelease) => stamp(order, generation)
