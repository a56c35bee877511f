import { newId } from '@taxiway/domain/ids.ts'
import type { EnvironmentRef } from '@taxiway/store/environments/seen.ts'
import type { Store } from '@taxiway/store/store.ts'

/** What is lent: its name for fences, and a signal that is aborted when somebody else has the lane. */
export interface BorrowedLane {
  holder: string
  signal: AbortSignal
}

/**
 * Does something short to an environment that must not meet a roll-out: with its lane, if nobody has it. A roll-out that
 * comes meanwhile waits; should the lease be lost all the same, the target refuses what has the older generation.
 * @returns undefined when somebody rolls out
 */
export async function borrowLane<T>(
  { releases, runs: { leaseMs }, random }: Pick<Store, 'releases' | 'runs' | 'random'>,
  { repo, name }: EnvironmentRef,
  signal: AbortSignal,
  use: (lane: BorrowedLane) => Promise<T>,
): Promise<T | undefined> {
  const holder = newId('holder', random)
  if (!(await releases.holdLane(repo, name, holder, leaseMs))) return undefined
  const lost = new AbortController()
  const renew = async () => {
    if (!(await releases.holdLane(repo, name, holder, leaseMs))) lost.abort(new Error('the lane was lost'))
  }
  const timer = setInterval(() => void renew().catch(() => {}), leaseMs / 5)
  try {
    return await use({ holder, signal: AbortSignal.any([signal, lost.signal]) })
  } finally {
    clearInterval(timer)
    await releases.leaveLane(repo, name, holder).catch(() => undefined)
  }
}
