import type { Explanation } from '@taxiway/domain/environment/explanation.ts'
import type { PodTrouble } from '../health/pod.ts'
import type { Health } from '../health/status.ts'
import type { KubeObject, Pod } from '../object.ts'
import type { Event } from './events.ts'

/** What is wrong with a workload, and whether waiting can't change that. */
export interface Finding {
  final: boolean
  explanation: Explanation
}
/** A workload as it was just read, with the pods of this release. */
export interface Seen {
  workload: KubeObject
  health: Health
  pods: Pod[]
  /** Some of its pods, or of its neighbours', are on their way out: what they hold is about to be free. */
  isMakingRoom: boolean
  /** It had pods of an earlier template while it was looked at: its controller takes these away for new ones. */
  isReplacing?: boolean
}
/** How long something has been so, in milliseconds: since the first time that this key was asked about. */
export type Lasting = (key: string) => number

/** Counts from the first question about each key, on the clock of `performance.now()`. */
export function makeLasting(): Lasting {
  const first = new Map<string, number>()
  return (key) => {
    const now = performance.now()
    first.set(key, first.get(key) ?? now)
    return now - (first.get(key) ?? now)
  }
}

/** Was this not asked about before? */
export type IsNews = (line: string) => boolean

/** Remembers what it was asked about. */
export function makeNews(): IsNews {
  const known = new Set<string>()
  return (line) => known.size < known.add(line).size
}

/** What was found, before its last lines are read. */
export type Found = Pick<Explanation, 'pod' | 'container' | 'cause' | 'text' | 'exitCode'> & {
  final: boolean
  /** While it is waited for: what is told of it instead of `text`. */
  meanwhile?: string
  log?: PodTrouble['log']
  events?: Event[]
}
/** What is asked of a workload. */
export interface Question {
  namespace: string
  lasting: Lasting
  /** The time is over, or it has failed: also explain what is merely slow. */
  over: boolean
  /** Without it nothing is told before the end. */
  isNews?: IsNews
  /** How often a container may be started again before the release is given up; without it, as long as there is time. */
  restarts?: number | undefined
}
