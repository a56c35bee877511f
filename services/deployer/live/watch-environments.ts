import { createHash } from 'node:crypto'
import type { Part } from '@taxiway/chassis/lifecycle.ts'
import { startReconciler } from '@taxiway/chassis/reconciler.ts'
import { type Deployer, type LiveEnvironment, serving } from '@taxiway/store/environments/seen.ts'
import type { WatchDeps } from '../roll-out.ts'
import { targetName } from '../target/open.ts'
import { makeTurns, type Turns } from './pace.ts'
import { watchEnvironment } from './watch-environment.ts'

const shareEveryMs = 3_000
/** Longer than a few missed renewals, short enough that a killed deployer's environments are soon looked at again. */
const leaseMs = 12_000
/** At one target. */
const looksAtOnce = 6

interface Watch {
  stop(): void
  ended: Promise<void>
}

/**
 * Looks at every environment that a release is live in, for as long as it lives. Deployers share them: each takes those that
 * `ownerOf` gives it, and a lease keeps an environment from being looked at twice while they still disagree.
 * It says at each pass that this deployer is up.
 */
export function watchEnvironments(deps: WatchDeps, own: Deployer): Part {
  const { environmentStates: states } = deps.store
  const turns = makeTurns(looksAtOnce)
  const watches = new Map<string, Watch>()
  const end = async (key: string, environment: LiveEnvironment | undefined) => {
    const watch = watches.get(key)
    watches.delete(key)
    watch?.stop()
    await watch?.ended
    if (watch && environment) await states.leaveWatch(environment, own.id)
  }
  /** Names of the targets of live releases, by environment. */
  const known = new Map<string, { generation: number; target: string }>()
  const whoServes = async (environment: LiveEnvironment, alive: Deployer[]): Promise<string[]> => {
    if (alive.every(({ serves }) => serves.length === 0)) return alive.map(({ id }) => id)
    const { repo, name, generation } = environment
    const key = keyOf(environment)
    if (known.get(key)?.generation !== generation) {
      const live = await deps.store.releases.liveListed(repo, name)
      known.set(key, { generation, target: targetName(live?.target, live?.order?.cluster) })
    }
    return serving(alive, known.get(key)?.target ?? '').map(({ id }) => id)
  }
  const share = async () => {
    await states.announce(own)
    const alive = await states.deployers()
    const live = new Map((await states.live()).map((one) => [keyOf(one), one]))
    for (const key of known.keys()) if (!live.has(key)) known.delete(key)
    for (const key of watches.keys()) if (!live.has(key)) await end(key, undefined)
    await Promise.all(
      [...live].map(async ([key, environment]) => {
        const able = await whoServes(environment, alive)
        if (ownerOf(key, able) !== own.id) return end(key, environment)
        if (!(await states.holdWatch(environment, own.id, leaseMs))) return end(key, undefined)
        if (!watches.has(key)) watches.set(key, start(deps, environment, own.id, turns))
      }),
    )
  }
  const sharing = startReconciler(share, { name: 'watch', everyMs: shareEveryMs, logger: deps.logger })
  return {
    name: 'watch',
    async stop() {
      await sharing.stop()
      for (const { stop } of watches.values()) stop()
      await Promise.all([...watches.values()].map(({ ended }) => ended))
      // What is left of the leases runs out by itself.
      await states.leave(own).catch(() => undefined)
    },
  }
}

const keyOf = ({ repo, name }: LiveEnvironment): string => `${repo}/${name}`

function start(deps: WatchDeps, environment: LiveEnvironment, holder: string, turns: Turns): Watch {
  const stopped = new AbortController()
  return {
    stop: () => stopped.abort(new Error('the watch is over')),
    ended: watchEnvironment(deps, environment, { holder, turns, signal: stopped.signal }),
  }
}

/** Who looks at it: every deployer comes to the same answer, and when one goes only its own are shared out anew. */
export function ownerOf(key: string, alive: readonly string[]): string | undefined {
  const weight = (name: string) => createHash('sha256').update(`${key} ${name}`).digest('hex')
  return alive.toSorted((a, b) => (weight(a) < weight(b) ? -1 : 1))[0]
}
