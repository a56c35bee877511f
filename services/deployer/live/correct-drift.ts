import { type Correction, type DriftState, nextCorrection } from '@taxiway/domain/environment/drift.ts'
import { type Reason, reason } from '@taxiway/domain/reason.ts'
import { hideReason } from '@taxiway/domain/run/hide-event.ts'
import type { WatchDeps } from '../roll-out.ts'
import { borrowLane } from '../turn/borrow-lane.ts'
import { type DriftLook, wordsOf } from './judge-drift.ts'
import { readLive } from './read-live.ts'

const correctMs = 60_000
/** So often it is put back before it is said that somebody fights that. */
const fightsFrom = 3

/**
 * Puts back what was changed by hand, when its time has come: under the lane, so never beside a roll-out, and with pauses
 * that grow while somebody changes it again each time.
 * @param begin keeps that it is begun, before anything is done. False: another deployer has the environment by now
 * @returns what was done, if anything was
 */
export async function correctDrift(
  { store }: Pick<WatchDeps, 'store'>,
  look: DriftLook,
  drift: DriftState,
  begin: (correction: Correction) => Promise<boolean>,
): Promise<Correction | undefined> {
  const { environment, live, target, work, secrets } = look
  if (drift.mode !== 'correct' || drift.objects.length === 0) return undefined
  const next = nextCorrection(drift.correction, store.now().getTime())
  if (!next) return undefined
  return borrowLane(store, environment, work.signal, async (lane): Promise<Correction | undefined> => {
    const known = await readLive(store, environment)
    if (known?.generation !== live.generation) return undefined
    const fought = next.times >= fightsFrom ? { reason: persists(drift, next) } : {}
    if (!(await begin({ ...next, ...fought }))) return undefined
    const corrected = await target.correct(known, { ...work, signal: lane.signal, deadlineMs: correctMs })
    if (corrected.ok) {
      await store.changes.add(environment, {
        kind: 'correct',
        state: 'noted',
        who: 'Taxiway',
        at: next.lastAt,
        generation: live.generation,
        detail: wordsOf(drift).slice(0, 500),
      })
      return { ...next, ...fought }
    }
    const detail = corrected.reason.message.replace(/\.$/, '')
    const why = reason('drift_not_corrected', { detail, next: next.nextAt })
    return { ...next, reason: hideReason(secrets, why) }
  })
}

function persists({ objects }: DriftState, { times, nextAt }: Correction): Reason {
  const by = [...new Set(objects.flatMap((one) => one.by ?? []))].join(', ') || 'somebody'
  const names = objects.map(({ object }) => object).join(', ')
  return reason('drift_persists', { objects: names, times: times - 1, by, next: nextAt })
}
