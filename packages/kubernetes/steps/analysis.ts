import { setTimeout as sleep } from 'node:timers/promises'
import type { Measure, Strategy } from '@taxiway/domain/plan/strategy.ts'
import { done, type Outcome, oneLine } from '@taxiway/domain/reason.ts'
import { type Cluster, type Wait, waitFor } from '../cluster/call.ts'
import { explainLoss } from '../explain/explain.ts'
import { isReady } from '../health/pod.ts'
import { watchRelease } from '../health/watch.ts'
import { stillOurs } from '../inventory.ts'
import type { ClusterRelease, KubeObject, Pod } from '../object.ts'
import { besideOf } from './beside.ts'
import { ownBeside } from './beside-live.ts'
import { askEveryMs, type HttpProbe, openHttpProbe, podAddress, portsAsked } from './measure-http.ts'
import { measureJob } from './measure-job.ts'
import { measurePrometheus } from './measure-prometheus.ts'

/** What a strategy works with, besides the cluster and the release. */
export interface Ground {
  strategy: Strategy
  /** Origins of Prometheus servers that may be asked. */
  allowedOrigins: readonly string[]
  /** Tells how far it has come, beside the log: `canary 25 %`. */
  tell: (progress: string) => void
}
/** New pods that stand beside the old ones for a while, and are measured. */
export interface Trial {
  /** As they were applied. */
  deployments: KubeObject[]
  /** `canary 25 %`, for the log. */
  progress: string
  pauseMs: number
  /** Tells its Jobs apart from those of other trials. */
  id: string
}
/** Which Deployment, and what is wrong: `web`, `92 % of answers were good, 99 wanted`. */
export interface Fault {
  name?: string
  text: string
}

const lookEveryMs = 1_000
const sayEveryMs = 10_000
/** For pods that are not ready when the pause is over: they may have been moved just now. */
const lastChanceMs = 15_000

/** Leaves the new pods as they are for the pause, and measures them. @returns what is wrong; undefined when nothing is */
export async function holdTrial(
  cluster: Cluster,
  release: ClusterRelease,
  trial: Trial,
  ground: Ground,
  wait: Wait,
): Promise<Outcome<Fault | undefined>> {
  const ended = new AbortController()
  const signal = AbortSignal.any([ended.signal, wait.signal])
  const probes = ground.strategy.analysis.flatMap((measure) =>
    measure.kind === 'http'
      ? [openHttpProbe(measure, portsAsked(measure, trial.deployments), trial.pauseMs, signal)]
      : [],
  )
  try {
    const held = await pause(cluster, release, trial, probes, wait)
    if (!held.ok || held.value.fault) return held.ok ? done(held.value.fault) : held
    await Promise.all(probes.map((probe) => probe.settle()))
    const failure = probes.map((probe) => probe.failure(true)).find(Boolean)
    if (failure) return done(failure)
    const healthy = await stillHealthy(cluster, release, trial, wait)
    if (!healthy.ok || healthy.value) return healthy
    return await askRest(cluster, release, { trial, pods: held.value.pods }, ground, wait)
  } finally {
    ended.abort()
  }
}

/** Looks at the pods until the pause is over, or something is wrong that more time won't heal. */
async function pause(
  cluster: Cluster,
  release: ClusterRelease,
  { progress, pauseMs }: Trial,
  probes: readonly HttpProbe[],
  wait: Wait,
): Promise<Outcome<{ pods: Pod[]; fault?: Fault }>> {
  const begin = performance.now()
  let pods: Pod[] = []
  const restarts = new Map<string, number>()
  let [lookAt, sayAt] = [begin, begin]
  for (let now = begin; now < begin + pauseMs; now = performance.now()) {
    if (now >= sayAt) {
      wait.say(`${progress}, ${Math.round((now - begin) / 1000)} s of ${Math.round(pauseMs / 1000)} s`)
      sayAt += sayEveryMs
    }
    if (now >= lookAt) {
      lookAt = now + lookEveryMs
      const listed = await besidePods(cluster, release, wait)
      if (!listed.ok) return listed
      pods = listed.value
      const fault = await restarted(cluster, release, pods, restarts, wait)
      if (fault) return done({ pods, fault })
    }
    for (const probe of probes) probe.ask(pods)
    const fault = probes.map((probe) => probe.failure(false)).find(Boolean)
    if (fault) return done({ pods, fault })
    await sleep(Math.min(askEveryMs, Math.max(1, begin + pauseMs - performance.now())), undefined, {
      signal: wait.signal,
    })
  }
  return done({ pods })
}

/** The pods that this run has put beside, as long as the environment is still this release's. */
export async function besidePods(cluster: Cluster, release: ClusterRelease, wait: Wait): Promise<Outcome<Pod[]>> {
  const current = await stillOurs(cluster, release, wait)
  if (!current.ok) return current
  const owned = await ownBeside(cluster, release, wait)
  return owned.ok ? done(owned.value.filter(({ metadata }) => !metadata.deletionTimestamp)) : owned
}

/** A program that ended while it was watched: it may be up again by now, and is no less broken. */
async function restarted(
  cluster: Cluster,
  release: ClusterRelease,
  pods: readonly Pod[],
  known: Map<string, number>,
  wait: Wait,
): Promise<Fault | undefined> {
  for (const pod of pods) {
    for (const container of pod.status?.containerStatuses ?? []) {
      const key = `${pod.metadata.uid}/${container.name}`
      const before = known.get(key)
      if (before === undefined) known.set(key, container.restartCount)
      else if (container.restartCount > before) {
        const ended = { ...pod, status: { ...pod.status, containerStatuses: [{ ...container, ready: false }] } }
        return { name: besideOf(pod), text: await whyEnded(cluster, release, ended, wait) }
      }
    }
  }
  return undefined
}

async function whyEnded(cluster: Cluster, release: ClusterRelease, pod: Pod, wait: Wait): Promise<string> {
  const workload = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: besideOf(pod) ?? '' } }
  const health = { state: 'failed' as const, detail: 'restarted' }
  const seen = { workload, health, pods: [pod], isMakingRoom: false }
  const words = { namespace: release.namespace, words: 'it ended while it was watched' }
  return oneLine((await explainLoss(cluster, seen, pod, words, wait)).text, 500)
}

async function stillHealthy(
  cluster: Cluster,
  release: ClusterRelease,
  { deployments }: Trial,
  wait: Wait,
): Promise<Outcome<Fault | undefined>> {
  const verdict = await watchRelease(cluster, { ...release, objects: deployments }, waitFor(lastChanceMs, wait))
  if (!verdict.ok) return verdict
  return done(verdict.value.healthy ? undefined : faultOf(verdict.value.detail, deployments))
}

/** The Deployment that a watch names first is the one beside; people know the other. */
export function faultOf(detail: string, deployments: readonly KubeObject[]): Fault {
  const beside = deployments.find(({ metadata }) => detail.startsWith(`${metadata.name}: `))
  if (!beside) return { text: detail }
  return { name: besideOf(beside), text: detail.slice(beside.metadata.name.length + 2) }
}

/** What is asked once, at the end: the value of a query, the end of a job. */
async function askRest(
  cluster: Cluster,
  release: ClusterRelease,
  { trial, pods }: { trial: Trial; pods: readonly Pod[] },
  { strategy, allowedOrigins }: Ground,
  wait: Wait,
): Promise<Outcome<Fault | undefined>> {
  const addresses = pods.filter(isReady).flatMap((pod) => podAddress(pod) ?? [])
  for (const [index, measure] of strategy.analysis.entries()) {
    if (measure.kind === 'http') continue
    wait.say(`${trial.progress}: ${measure.kind === 'job' ? `job ${index + 1}` : oneLine(measure.query, 100)}`)
    const text = await askOnce(measure, index)
    if (!text.ok) return text
    if (text.value) return done({ text: text.value })
  }
  return done(undefined)

  async function askOnce(measure: Exclude<Measure, { kind: 'http' }>, index: number) {
    if (measure.kind === 'prometheus') return measurePrometheus(measure, allowedOrigins, wait.signal)
    return measureJob(cluster, release, measure, { id: `${trial.id}-${index + 1}`, addresses }, wait)
  }
}
