import { performance } from 'node:perf_hooks'
import type { Correction, DriftState } from '@taxiway/domain/environment/drift.ts'
import type { LiveRelease, Observed } from '@taxiway/domain/environment/release.ts'
import { boundPods, type SeenState, worst } from '@taxiway/domain/environment/state.ts'
import type { Follow, Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, type Reason } from '@taxiway/domain/reason.ts'
import { hideSecrets } from '@taxiway/domain/secrets/mask.ts'
import type { LiveEnvironment } from '@taxiway/store/environments/seen.ts'
import { hiddenValues } from '@taxiway/worker/hidden-values.ts'
import type { WatchDeps } from '../roll-out.ts'
import { correctDrift } from './correct-drift.ts'
import { type DriftMemory, judgeDrift } from './judge-drift.ts'
import { keepRunning } from './keep-running.ts'
import type { Turns } from './pace.ts'
import { readLive } from './read-live.ts'

interface WatchContext {
  /** Who holds the task of looking. */
  holder: string
  /** Looks at one target at a time. */
  turns: Turns
  signal: AbortSignal
}

/** How long one look may take. */
const lookMs = 20_000
/** Without a sign of change; what is not followed (services, config maps) is looked at so often, too. */
const calmMs = 25_000
const troubledMs = 5_000
/** Between two looks, whatever happens: as long as the last look took, within these bounds. */
const leastRestMs = 1_000
const longestRestMs = 5_000

/** What is kept between two looks at one environment. */
interface Memory extends DriftMemory {
  live?: LiveRelease
  target?: Target
  follow?: Follow
  last?: SeenState
  /** When it was seen to that what should run does. */
  kept: Correction | undefined
}

/** Looks at one environment again and again, and keeps what it saw, until the signal ends it. Never throws. */
export async function watchEnvironment(
  deps: WatchDeps,
  environment: LiveEnvironment,
  context: WatchContext,
): Promise<void> {
  const { signal } = context
  const memory: Memory = { found: new Map(), kept: undefined }
  while (!signal.aborted) {
    const begin = performance.now()
    await lookOnce(deps, environment, memory, context).catch((error) => {
      if (!signal.aborted) deps.logger.warn({ err: error, environment: environment.name }, 'could not look at it')
    })
    const tookMs = performance.now() - begin
    await pause(Math.min(Math.max(leastRestMs, tookMs), longestRestMs), signal)
    const forMs = isCalm(memory.last) ? calmMs : troubledMs
    await (memory.follow?.rung(forMs) ?? pause(forMs, signal))
  }
  memory.follow?.close()
}

const isCalm = (last: SeenState | undefined): boolean =>
  last?.condition === 'healthy' && !last.drift?.unchecked && !last.drift?.objects.length

/** One look: what is live, what is there of it, and what that means. */
async function lookOnce(
  deps: WatchDeps,
  environment: LiveEnvironment,
  memory: Memory,
  { holder, turns, signal }: WatchContext,
): Promise<void> {
  const secretValues = (names: readonly string[]) => deps.store.repositorySecrets.some(environment.repo, names)
  const work: Work = { deadlineMs: lookMs, signal, say: () => undefined, secretValues }
  const known = await refresh(deps, environment, memory, work)
  const target = known?.ok ? known.value.target : deps.targets
  if (known) await turns(target, () => lookAt(deps, environment, memory, { known, holder, work }))
}

async function lookAt(
  deps: WatchDeps,
  environment: LiveEnvironment,
  memory: Memory,
  { known, holder, work }: { known: Outcome<{ live: LiveRelease; target: Target }>; holder: string; work: Work },
): Promise<void> {
  const { store } = deps
  const seen = known.ok ? await known.value.target.state(known.value.live, work) : known
  memory.last ??= await store.environmentStates.read(environment)
  const secrets = await hiddenValues(store, environment.repo, deps.config.registry)
  // Of another release it says nothing about this one.
  const isSame = !seen.ok || memory.last?.generation === seen.value.generation
  const last = isSame ? memory.last?.drift : undefined
  const state = hideDetails(describe(seen, memory.last, store.now().toISOString()), secrets)
  const keep = (drift: DriftState | undefined) => {
    memory.last = { ...state, ...(drift ? { drift } : {}) }
    return store.environmentStates.write(environment, holder, memory.last)
  }
  // First without a new word on drift: comparing takes its time.
  if (!(await keep(last)) || !known.ok || !seen.ok) return
  // What can't be renewed now is tried again at the next look.
  await known.value.target.keepPulling?.(known.value.live, work)
  const look = { environment, ...known.value, observed: seen.value, last, secrets, work }
  memory.kept = await keepRunning(deps, look, memory.kept)
  const drift = await judgeDrift(deps, look, memory)
  if (!drift) return void (await keep(look.live.drift === 'ignore' ? undefined : last))
  await keep(drift)
  const correction = await correctDrift(deps, look, drift, (begun) => keep({ ...drift, correction: begun }))
  if (correction) await keep({ ...drift, correction })
}

/** Learns which release is live, where, and follows it there. Undefined: none is. */
async function refresh(
  { store, targets }: WatchDeps,
  { repo, name }: LiveEnvironment,
  memory: Memory,
  work: Work,
): Promise<Outcome<{ live: LiveRelease; target: Target }> | undefined> {
  const generation = await store.environmentStates.liveGeneration({ repo, name })
  if (generation === 0) return undefined
  const isKnown = memory.live?.generation === generation
  const live =
    memory.live && isKnown
      ? { ...memory.live, byHand: await store.changes.byHand({ repo, name }) }
      : await readLive(store, { repo, name })
  if (!live) return undefined
  const chosen = await targets.choose(repo, live.order.cluster, work)
  if (!chosen.ok) return chosen
  const target = chosen.value
  if (isKnown && memory.target === target) {
    memory.live = live
    return done({ live, target })
  }
  memory.follow?.close()
  Object.assign(memory, { live, target, follow: target.follow(live, work.signal) })
  return done({ live, target })
}

function describe(seen: Outcome<Observed>, last: SeenState | undefined, now: string): SeenState {
  if (!seen.ok) return unknown(seen.reason, last, now)
  const { generation, workloads } = seen.value
  const condition = worst(workloads)
  const since = last?.condition === condition ? last.since : now
  return { condition, since, seenAt: now, generation, workloads: boundPods(workloads) }
}

/** Nobody can look: what was seen before is no longer known to be so. */
const unknown = ({ message }: Reason, last: SeenState | undefined, now: string): SeenState => ({
  condition: 'unknown',
  detail: message,
  since: last?.condition === 'unknown' ? last.since : now,
  seenAt: now,
  ...(last?.generation === undefined ? {} : { generation: last.generation }),
  workloads: [],
})

/** What others wrote into statuses may quote what nobody shall read. */
function hideDetails(state: SeenState, secrets: readonly string[]): SeenState {
  const hidden = <T extends { detail?: string }>(one: T): T =>
    one.detail === undefined ? one : { ...one, detail: hideSecrets(secrets, one.detail) }
  return { ...hidden(state), workloads: state.workloads.map(hidden) }
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
  })
