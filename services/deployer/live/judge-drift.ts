import { type DriftState, type ObjectDrift, showDrift } from '@taxiway/domain/environment/drift.ts'
import type { LiveRelease, Observed } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import { hideSecrets } from '@taxiway/domain/secrets/mask.ts'
import type { EnvironmentRef } from '@taxiway/store/environments/seen.ts'
import type { WatchDeps } from '../roll-out.ts'

/** Objects that are compared in one look, and how long that may take: the others have their turn at the next. */
const mostAtOnce = 50
const compareMs = 60_000
/** Drift of one environment is noted among its changes at most so often. */
const noteEveryMs = 5 * 60_000

/** What was found of each object, and the fingerprint that it had then: what did not change is not compared again. */
export interface DriftMemory {
  /** Which release, with which replicas, the findings are about. */
  about?: string
  found: Map<string, { print: string | undefined; drift: ObjectDrift | null }>
}

export interface DriftLook {
  environment: EnvironmentRef
  live: LiveRelease
  target: Target
  observed: Observed
  last: DriftState | undefined
  secrets: readonly string[]
  work: Work
}

/** Compares what has changed since the last look. Undefined: it can't be told now what was changed by hand and what by a roll-out. */
export async function judgeDrift(
  { store }: Pick<WatchDeps, 'store'>,
  look: DriftLook,
  memory: DriftMemory,
): Promise<DriftState | undefined> {
  const { live, target, observed, work, environment, last } = look
  if (live.drift === 'ignore' || observed.generation !== live.generation || observed.runId !== live.order.runId)
    return undefined
  const about = JSON.stringify([live.generation, live.byHand])
  if (memory.about !== about) memory.found.clear()
  memory.about = about
  const names = live.order.objects
    .filter(({ kind }) => kind !== 'Job')
    .map(({ kind, metadata }) => `${kind}/${metadata.name}`)
  const open = names.filter((name) => {
    const print = observed.prints.get(name)
    return print === undefined || memory.found.get(name)?.print !== print
  })
  const some = open.slice(0, mostAtOnce)
  const compared = await target.drift(live, some, { ...work, deadlineMs: compareMs })
  // A roll-out that has begun meanwhile is what changed them.
  if (!compared.ok || (await isOvertaken(store, environment, live))) return undefined
  for (const [name, drift] of compared.value) memory.found.set(name, { print: observed.prints.get(name), drift })
  const drifted = names.flatMap((name) => memory.found.get(name)?.drift ?? [])
  const unchecked = names.filter((name) => !memory.found.has(name)).length
  const now = store.now().toISOString()
  const state: DriftState = {
    mode: live.drift,
    ...(drifted.length > 0 ? { since: last?.since ?? now } : {}),
    ...showDrift(look.secrets, drifted),
    ...(unchecked > 0 ? { unchecked } : {}),
    ...(last?.notedAt ? { notedAt: last.notedAt } : {}),
    ...(last?.correction ? { correction: last.correction } : {}),
  }
  return (await note(store, look, state, now)) ? { ...state, notedAt: now } : state
}

async function isOvertaken(
  { environmentStates: states }: WatchDeps['store'],
  environment: EnvironmentRef,
  live: LiveRelease,
): Promise<boolean> {
  return (await states.isRollingOut(environment)) || (await states.liveGeneration(environment)) !== live.generation
}

/** Keeps a line among the changes of the environment when other fields differ than before. */
async function note(
  store: WatchDeps['store'],
  { environment, live, last, secrets }: DriftLook,
  state: DriftState,
  now: string,
): Promise<boolean> {
  const told = wordsOf(state)
  if (state.objects.length === 0 || (last && told === wordsOf(last))) return false
  if (last?.notedAt && Date.parse(now) - Date.parse(last.notedAt) < noteEveryMs) return false
  const who = [...new Set(state.objects.flatMap(({ by }) => by ?? []))].join(', ')
  await store.changes.add(environment, {
    kind: 'drift',
    state: 'noted',
    who: who || 'somebody',
    at: now,
    generation: live.generation,
    detail: hideSecrets(secrets, told).slice(0, 500),
  })
  return true
}

/** Which objects and fields differ, in one line. */
export const wordsOf = ({ objects }: Pick<DriftState, 'objects'>): string =>
  objects
    .map(({ object, change, fields }) =>
      change === 'deleted' ? `${object} deleted` : `${object}: ${fields.map(({ path }) => path).join(', ')}`,
    )
    .join('; ')
