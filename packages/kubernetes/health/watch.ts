import type { Cause, Explanation } from '@taxiway/domain/environment/explanation.ts'
import type { Verdict } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, oneLine } from '@taxiway/domain/reason.ts'
import { type Cluster, type Wait, waitFor } from '../cluster/call.ts'
import { openBell, type Watched } from '../cluster/watch-stream.ts'
import { explainWorkload } from '../explain/explain.ts'
import { type IsNews, type Lasting, makeLasting, makeNews, type Seen } from '../explain/finding.ts'
import { type ClusterRelease, describe, isJudged, pathOf, selectorOf } from '../object.ts'
import { makeLook } from './look.ts'
import { isReady, wrongDigest } from './pod.ts'

const lookEveryMs = 1_000
/** For logs and events, once the deadline is over. */
const explainForMs = 5_000
const sentenceLimit = 500

/**
 * Follows the workloads of a release until all are healthy and every ready pod runs our digests, or one can't become so,
 * or the wait is over. A watch of the API only rings: what is judged is always read anew, so that nothing depends on an
 * unbroken stream. `stale_generation` when a newer release takes over.
 * @param onLook is shown what was seen before that is judged; true: it has changed something, so it is looked at anew
 */
export async function watchRelease(
  cluster: Cluster,
  release: ClusterRelease,
  wait: Wait,
  onLook?: (seen: readonly Seen[]) => Promise<Outcome<boolean>>,
): Promise<Outcome<Verdict>> {
  const bell = openBell(cluster, collectionsOf(release), wait.signal)
  const look = makeLook(cluster, release)
  const lasting = makeLasting()
  const isNews = makeNews()
  let told = ''
  try {
    while (true) {
      const over = performance.now() >= wait.untilMs - lookEveryMs / 10
      const grace = over ? waitFor(explainForMs, wait) : wait
      const seen = await look(grace)
      if (!seen.ok) return seen
      const acted = over ? done(false) : await onLook?.(seen.value)
      if (acted && !acted.ok) return acted
      if (acted?.value) continue
      const verdict = await judge(cluster, seen.value, release, { over, lasting, isNews }, grace)
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

/** A verdict, if what was seen allows one; when the time is over, always. */
export async function judge(
  cluster: Cluster,
  seen: Seen[],
  release: ClusterRelease,
  { over, lasting, isNews }: { over: boolean; lasting: Lasting; isNews?: IsNews },
  wait: Wait,
): Promise<Verdict | undefined> {
  for (const { workload, pods } of seen.filter(({ health }) => health.state === 'healthy'))
    for (const pod of pods.filter(isReady)) {
      const text = wrongDigest(pod, workload, release.digests)
      if (text) return unhealthy({ workload: describe(workload), pod: pod.metadata.name, cause: 'wrong_image', text })
    }
  const open = seen.filter(({ health }) => health.state !== 'healthy')
  if (open.length === 0) return { healthy: true, ready: readyLine(seen) }
  let first: Explanation | undefined
  for (const one of open) {
    const hasFailed = one.health.state === 'failed'
    const { namespace, restarts } = release
    const question = { namespace, lasting, restarts, over: over || hasFailed, ...(isNews ? { isNews } : {}) }
    const finding = await explainWorkload(cluster, one, question, wait)
    if (finding?.final || hasFailed) return unhealthy(finding?.explanation ?? plainly(one))
    if (over) first ??= finding?.explanation ?? plainly(one)
  }
  return first && unhealthy(first)
}

/** The verdict that follows from an explanation. */
export const unhealthy = (explanation: Explanation): Verdict => ({
  healthy: false,
  detail: oneLine(
    `${explanation.workload.replace(/^\w+\//, '')}: ${explanation.text.replace(/\.$/, '')}`,
    sentenceLimit,
  ),
  explanation,
})

const plainly = ({ workload, health }: Seen): Explanation => ({
  workload: describe(workload),
  cause: (health.detail === 'it was deleted meanwhile' ? 'deleted' : 'slow') satisfies Cause,
  text: health.detail,
})

const readyLine = (seen: Seen[]): string =>
  seen.map(({ workload, health }) => `${workload.metadata.name} ${health.detail}`).join(', ') || 'nothing to wait for'

/** What has to be watched to hear of every change of a release's workloads. */
export const collectionsOf = (release: ClusterRelease, isWatched = isJudged): Watched =>
  Object.fromEntries(
    release.objects
      .filter(isWatched)
      .map(({ apiVersion, kind }) => [pathOf(release.namespace, { apiVersion, kind }), selectorOf(release)]),
  )
