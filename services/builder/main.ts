import { join } from 'node:path'
import type { Config } from '@taxiway/chassis/config.ts'
import type { Part } from '@taxiway/chassis/lifecycle.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import { startReconciler } from '@taxiway/chassis/reconciler.ts'
import { connectEngine } from '@taxiway/docker/engine.ts'
import type { Attempt } from '@taxiway/store/attempts.ts'
import { makeRedispatch } from '@taxiway/store/dispatch.ts'
import { work } from '@taxiway/store/queue.ts'
import type { Store } from '@taxiway/store/store.ts'
import { makePrune } from './prune.ts'
import { makeSweep } from './sweep.ts'
import { takeTurns } from './take-turns.ts'

/** How often open runs are looked over, and leftovers swept. */
const redispatchMs = 2000
const sweepMs = 30_000
/** How often a builder says that it is there. */
const announceMs = 5000
/** How often it is seen whether pruning is due. */
const pruneMs = 60_000

/** Starts the builder role. */
export async function startBuilder({
  config,
  store,
  logger,
}: {
  config: Config
  store: Store
  logger: Logger
}): Promise<Part> {
  const engine = connectEngine({ dockerHost: config.dockerHost })
  const active = new Set<Attempt>()
  const deps = { config, store, logger, engine, active }
  const loops = [
    startReconciler(
      makeRedispatch(store.runs, store.queue, () => performance.now()),
      { name: 'redispatch', everyMs: redispatchMs, logger },
    ),
    startReconciler(() => store.turns.announce(config.worker, config.concurrency), {
      name: 'announce',
      everyMs: announceMs,
      logger,
    }),
    startReconciler(makeSweep({ engine, runs: store.runs, workspaces: join(config.dataFolder, 'workspaces') }), {
      name: 'sweep',
      everyMs: sweepMs,
      logger,
    }),
    startReconciler(makePrune(deps), { name: 'prune', everyMs: pruneMs, logger }),
  ]
  const stopping = new AbortController()
  const worker = work(config.redisUrl, 'build', config.concurrency, () => takeTurns(deps, stopping.signal))
  return {
    name: 'builder',
    async stop() {
      stopping.abort()
      const drain = setTimeout(() => {
        for (const attempt of active) attempt.abort('drained')
      }, config.drainMs)
      await worker.close().finally(() => clearTimeout(drain))
      await Promise.all(loops.map((loop) => loop.stop()))
      await store.turns.leave(config.worker).catch(() => {})
    },
  }
}
