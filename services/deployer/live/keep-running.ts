import { type Correction, nextCorrection } from '@taxiway/domain/environment/drift.ts'
import type { LiveRelease, Observed } from '@taxiway/domain/environment/release.ts'
import type { Target } from '@taxiway/domain/environment/target.ts'
import type { Work } from '@taxiway/domain/environment/work.ts'
import type { EnvironmentRef } from '@taxiway/store/environments/seen.ts'
import type { WatchDeps } from '../roll-out.ts'
import { borrowLane } from '../turn/borrow-lane.ts'
import { readLive } from './read-live.ts'

const startMs = 60_000

/**
 * Has the target start what should run and does not, where it keeps that itself: under the lane, so never beside a roll-out, and
 * with pauses that grow while it goes down again each time. What was started is noted among the environment's changes.
 * @returns when it was done last, for the next look
 */
export async function keepRunning(
  { store }: Pick<WatchDeps, 'store'>,
  {
    environment,
    live,
    target,
    observed,
    work,
  }: { environment: EnvironmentRef; live: LiveRelease; target: Target; observed: Observed; work: Work },
  last: Correction | undefined,
): Promise<Correction | undefined> {
  const isWhole = observed.workloads.every(({ pods, wanted }) => pods.length >= wanted && !pods.some(isDown))
  if (!target.keepRunning || isWhole || observed.generation !== live.generation) return last
  const next = nextCorrection(last, store.now().getTime())
  if (!next) return last
  const kept = await borrowLane(store, environment, work.signal, async (lane): Promise<Correction | undefined> => {
    const known = await readLive(store, environment)
    if (known?.generation !== live.generation) return undefined
    const started = await target.keepRunning?.(known, { ...work, signal: lane.signal, deadlineMs: startMs })
    const detail = started?.ok ? started.value.join('; ') : (started?.reason.message ?? '')
    if (detail)
      await store.changes.add(environment, {
        kind: 'restart',
        state: 'noted',
        who: 'Taxiway',
        at: next.lastAt,
        generation: live.generation,
        detail: detail.slice(0, 500),
      })
    return next
  })
  return kept ?? last
}

const isDown = ({ phase }: { phase: string }): boolean => ['created', 'exited', 'dead'].includes(phase)
