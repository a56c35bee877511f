import type { Verdict } from '@taxiway/domain/environment/release.ts'
import type { Strategy } from '@taxiway/domain/plan/strategy.ts'
import { done, type Outcome } from '@taxiway/domain/reason.ts'
import { awaitScaled, setReplicas } from '../apply/replicas.ts'
import { type Cluster, type Wait, waitFor } from '../cluster/call.ts'
import { watchRelease } from '../health/watch.ts'
import type { ClusterRelease } from '../object.ts'
import { type Fault, faultOf, type Ground, holdTrial } from './analysis.ts'
import { beginBeside } from './begin.ts'
import { paceAt } from './pace.ts'
import { type Pair, placeBeside, prepareBeside, wantedReplicas } from './pairs.ts'

type Canary = Extract<Strategy, { kind: 'canary' }>

/**
 * Takes new pods in by steps, beside the Deployments that serve, and measures them at each. When it ends well the new pods
 * stand there at the last step's weight, and the release is still to be applied; when not, the old ones are as few as the
 * step left them, and the release before is to be restored. How far it is stands in the cluster: whoever goes on with the
 * same run begins at the step that was reached.
 */
export async function takeInCanary(
  cluster: Cluster,
  release: ClusterRelease,
  ground: Ground & { strategy: Canary },
  wait: Wait,
): Promise<Outcome<Verdict>> {
  const { steps, timeoutMs } = ground.strategy
  const begun = await beginBeside(cluster, release, timeoutMs, wait)
  if (!begun.ok) return begun
  if ('verdict' in begun.value) return done(begun.value.verdict)
  const { pairs } = begun.value
  const prepared = await prepareBeside(cluster, release, 'canary', wait)
  if (!prepared.ok) return prepared
  const reached = reachedBy(pairs)
  if (reached > 0) wait.say(`goes on at step ${reached} of ${steps.length}, which an earlier attempt had reached`)
  for (let step = Math.max(1, reached); step <= steps.length; step++) {
    const fault = await takeStep(cluster, release, { pairs, step }, ground, wait)
    if (!fault.ok) return fault
    if (fault.value) return done({ healthy: false, detail: sentence(fault.value, steps[step - 1]?.weight ?? 0) })
  }
  return done({ healthy: true, ready: `canary at ${steps.at(-1)?.weight} %` })
}

const reachedBy = (pairs: readonly Pair[]): number => Math.min(...pairs.map(({ step }) => step))

const sentence = ({ name, text }: Fault, weight: number): string =>
  `${name ? `${name}: ` : ''}canary at ${weight} %: ${text}`

async function takeStep(
  cluster: Cluster,
  release: ClusterRelease,
  { pairs, step }: { pairs: readonly Pair[]; step: number },
  ground: Ground & { strategy: Canary },
  wait: Wait,
): Promise<Outcome<Fault | undefined>> {
  const { steps, timeoutMs } = ground.strategy
  const { weight, pauseMs } = steps[step - 1] as Canary['steps'][number]
  const paced = pairs.map((pair) => ({ pair, ...paceOf(pair, weight) }))
  const place = (mark: number) =>
    placeBeside(
      cluster,
      release,
      'canary',
      paced.map(({ pair, fresh }) => ({ pair, replicas: fresh, step: mark })),
      wait,
    )
  ground.tell(`canary ${weight} %`)
  wait.say(
    `canary ${weight} %: ${paced.map(({ pair, fresh, old }) => `${pair.name} ${fresh} new, ${old} old`).join(', ')}`,
  )
  // New ones first: at no moment are there fewer ready pods than before.
  const placed = await place(Math.max(reachedBy(pairs), step - 1))
  if (!placed.ok) return placed
  const verdict = await watchRelease(cluster, { ...release, objects: placed.value }, waitFor(timeoutMs, wait))
  if (!verdict.ok) return verdict
  if (!verdict.value.healthy) return done(faultOf(verdict.value.detail, placed.value))
  const shrunk = await shrink(cluster, release, paced, waitFor(timeoutMs, wait))
  if (!shrunk.ok || shrunk.value) return shrunk
  const marked = await place(step)
  if (!marked.ok) return marked
  const trial = { deployments: marked.value, progress: `canary ${weight} %`, pauseMs, id: `s${step}` }
  return holdTrial(cluster, release, trial, ground, wait)
}

/** What has no version before comes whole at the first step: it takes over from nobody. */
function paceOf(pair: Pair, weight: number) {
  if (pair.before === 0) return { fresh: wantedReplicas(pair.wanted), old: 0 }
  const pace = paceAt(weight, pair.before, { isScaled: pair.scaler !== undefined })
  // An attempt before this one may have come further than it could write down.
  return { ...pace, fresh: Math.max(pace.fresh, pair.fresh) }
}

async function shrink(
  cluster: Cluster,
  release: ClusterRelease,
  paced: readonly { pair: Pair; old: number }[],
  wait: Wait,
): Promise<Outcome<Fault | undefined>> {
  const ours = paced.filter(({ pair }) => pair.before > 0 && pair.scaler === undefined)
  for (const { pair, old } of ours) {
    const scaled = await setReplicas(cluster, release, pair.name, (now) => Math.min(now, old), wait)
    if (!scaled.ok) return scaled
  }
  for (const { pair } of ours) {
    const gone = await awaitScaled(cluster, release, pair.name, { allReady: false }, wait)
    if (!gone.ok) return gone
    if (!gone.value) return done({ name: pair.name, text: 'its old pods do not go' })
  }
  return done(undefined)
}
