import type { JobEnd, OnOutput } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { type Cluster, messageOf, type Status, type Wait } from '../cluster/call.ts'
import { type Bell, openBell } from '../cluster/watch-stream.ts'
import { explainWorkload } from '../explain/explain.ts'
import { makeLasting } from '../explain/finding.ts'
import { jobHealth } from '../health/health.ts'
import { stillOurs } from '../inventory.ts'
import {
  type ClusterRelease,
  describe,
  isOurs,
  type KubeObject,
  keys,
  type Pod,
  pathOf,
  refOf,
  selectorOf,
} from '../object.ts'
import { awaitGone, endClusterJob, endOthers, jobs, podsOf } from './end.ts'
import { followLog } from './log.ts'

const lookEveryMs = 1_000
const logMs = 10_000

/**
 * Runs a Job to its end, or waits for the one of this name that is there already: it is never made a second time. Jobs that other
 * runs of the environment left are ended first. Nothing is removed at the end, nor when the signal is aborted.
 */
export async function runClusterJob(
  cluster: Cluster,
  release: ClusterRelease,
  job: KubeObject,
  onOutput: OnOutput,
  wait: Wait,
): Promise<Outcome<JobEnd>> {
  const swept = await endOthers(cluster, release, wait)
  if (!swept.ok) return swept
  const made = await create(cluster, release, job, wait)
  if (!made.ok) return made
  const watched = {
    [pathOf(release.namespace, jobs)]: selectorOf(release),
    [`/api/v1/namespaces/${release.namespace}/pods`]: `job-name=${job.metadata.name}`,
  }
  const bell = openBell(cluster, watched, wait.signal)
  try {
    return await followJob(cluster, { release, job, bell, onOutput }, wait)
  } finally {
    bell.close()
  }
}

interface Following {
  release: ClusterRelease
  job: KubeObject
  bell: Bell
  onOutput: OnOutput
}

async function followJob(
  cluster: Cluster,
  { release, job, bell, onOutput }: Following,
  wait: Wait,
): Promise<Outcome<JobEnd>> {
  const path = pathOf(release.namespace, refOf(job))
  const lasting = makeLasting()
  const log = followLog(cluster, release.namespace, onOutput, wait.signal)
  try {
    for (;;) {
      const [live, pods] = await Promise.all([
        cluster.call<KubeObject>({ method: 'GET', path }, wait),
        podsOf(cluster, release, job, wait),
      ])
      if (!live.ok) return live
      if (!pods.ok) return pods
      if (live.value.status === 404) return done({ passed: false, detail: 'it was deleted meanwhile' })
      const pod = pods.value[0]
      if (pod && hasBegun(pod)) log.begin(pod.metadata.name)
      const health = jobHealth(live.value.body.status ?? {})
      if (health.state !== 'progressing') {
        await log.rest(logMs)
        if (health.state === 'healthy') return done({ passed: true })
        return done({ passed: false, detail: howItEnded(pod) ?? tooLong(live.value.body) ?? health.detail })
      }
      const seen = { workload: live.value.body, health, pods: pods.value, isMakingRoom: false }
      const question = { namespace: release.namespace, lasting, over: false }
      const trouble = pod && !hasBegun(pod) ? await explainWorkload(cluster, seen, question, wait) : undefined
      if (trouble?.final) return done({ passed: false, detail: trouble.explanation.text.replace(/\.$/, '') })
      if (performance.now() > wait.untilMs - lookEveryMs)
        return done({ passed: false, detail: 'it did not end in its time' })
      await bell.rung(lookEveryMs)
      wait.signal.throwIfAborted()
    }
  } finally {
    log.close()
  }
}

const hasBegun = ({ status }: Pod): boolean =>
  status?.containerStatuses?.some(({ state }) => state?.running || state?.terminated) ?? false

function howItEnded(pod: Pod | undefined): string | undefined {
  const ended = pod?.status?.containerStatuses?.[0]?.state?.terminated
  if (!ended || ended.exitCode === 0) return undefined
  if (ended.reason === 'OOMKilled') return 'out of memory, killed'
  return ended.signal ? `killed by signal ${ended.signal}` : `exit ${ended.exitCode}`
}

function tooLong({ spec, status }: KubeObject): string | undefined {
  const { conditions = [] } = (status ?? {}) as { conditions?: { reason?: string }[] }
  const { activeDeadlineSeconds } = (spec ?? {}) as { activeDeadlineSeconds?: number }
  const isLate = conditions.some(({ reason }) => reason === 'DeadlineExceeded')
  return isLate ? `it ran longer than ${activeDeadlineSeconds} s` : undefined
}

/** Makes it, unless it is there; one that a newer release would not want is taken back. */
async function create(cluster: Cluster, release: ClusterRelease, job: KubeObject, wait: Wait): Promise<Outcome<void>> {
  const before = await stillOurs(cluster, release, wait)
  if (!before.ok) return before
  const path = pathOf(release.namespace, jobs)
  const made = await cluster.call<Status>({ method: 'POST', path, body: job }, wait)
  if (!made.ok) return made
  if (made.value.status === 409) return adopt(cluster, release, job, wait)
  if (made.value.status !== 201)
    return refuse('manifest_invalid', { object: describe(job), detail: messageOf(made.value.body) })
  const after = await stillOurs(cluster, release, wait)
  if (!after.ok) await endClusterJob(cluster, release, job, wait)
  return after
}

async function adopt(cluster: Cluster, release: ClusterRelease, job: KubeObject, wait: Wait): Promise<Outcome<void>> {
  const found = await cluster.call<KubeObject>({ method: 'GET', path: pathOf(release.namespace, refOf(job)) }, wait)
  if (!found.ok) return found
  const { status, body } = found.value
  const isThis = status === 200 && isOurs(body, release) && body.metadata.annotations?.[keys.run] === release.runId
  if (isThis && body.metadata.deletionTimestamp) {
    const gone = await awaitGone(cluster, release, job, wait)
    return gone.ok ? create(cluster, release, job, wait) : gone
  }
  if (isThis) wait.say(`${describe(job)} has begun already`)
  return isThis ? done(undefined) : refuse('manifest_conflict', { object: describe(job), detail: 'its name is taken' })
}
