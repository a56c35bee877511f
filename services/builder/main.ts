import { join } from 'node:path'
import type { Config } from '@taxiway/chassis/config.ts'
import type { Part } from '@taxiway/chassis/lifecycle.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import { startReconciler } from '@taxiway/chassis/reconciler.ts'
import { guardedSteps } from '@taxiway/docker/build/guarded-steps.ts'
import { limitBuildSteps, type StepLimiter } from '@taxiway/docker/build/step-limits.ts'
import { connectEngine } from '@taxiway/docker/engine/engine.ts'
import { work } from '@taxiway/store/runs/queue.ts'
import type { Store } from '@taxiway/store/store.ts'
import { type Attempt, drain } from '@taxiway/worker/attempts.ts'
import { makeRedispatch } from '@taxiway/worker/redispatch.ts'
import { makeContainment } from './containment.ts'
import { makeDiskGuard } from './disk-guard.ts'
import { makePrune } from './prune/prune.ts'
import { makeSweep } from './sweep.ts'
import { takeTurns } from './take-turns.ts'
import { makeSlots } from './tests-of-run/slots.ts'
import { makeWorkspaces } from './workspaces.ts'

/** How often open runs are looked over. */
const redispatchMs = 2000
/** How often a builder looks at its disk, and says that it is there. */
const announceMs = 5000
/** How often it is seen whether pruning is due. */
const pruneMs = 60_000
/** How often the containment is looked over, and how long the first look may take. */
const containmentMs = 20_000

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
  const { mode, subnet } = config.egress
  const engine = {
    ...connectEngine(config),
    work: { egress: mode, subnet },
    installation: config.installation,
  }
  const active = new Set<Attempt>()
  const own = await limitSteps(config, logger)
  const limiter = own ?? (config.dockerHost.startsWith('unix:') ? guardedSteps(config.guardFolder) : undefined)
  const containment = makeContainment({ config, engine, logger, limitsSteps: own !== undefined })
  // The rules stand before any run is taken; a failure is told, and the loop tries again.
  await containment
    .look(AbortSignal.timeout(containmentMs), { probe: false })
    .catch((error) => logger.warn({ err: error }, 'containment: not looked at yet'))
  const slots = makeSlots(config.limits.testContainers)
  const workspaces = makeWorkspaces(config.dataFolder)
  const disk = makeDiskGuard({ config, engine, logger })
  await disk.look()
  const deps = { config, store, logger, engine, active, limiter, workspaces, slots, containment }
  const stopping = new AbortController()
  const worker = work(config.redisUrl, 'build', config.concurrency, () =>
    takeTurns(deps, stopping.signal, () => disk.paused() !== undefined || !containment.isKnown()),
  )
  const loops = [
    startReconciler((signal) => containment.look(signal), { name: 'containment', everyMs: containmentMs, logger }),
    startReconciler(
      makeRedispatch(store.runs, store.queue, () => performance.now()),
      { name: 'redispatch', everyMs: redispatchMs, logger },
    ),
    startReconciler(
      async () => {
        await disk.look()
        await worker.setPaused(disk.paused() !== undefined)
        await store.turns.announce(config.worker, config.concurrency, disk.paused())
      },
      { name: 'announce', everyMs: announceMs, logger },
    ),
    startReconciler(makeSweep({ engine, runs: store.runs, workspaces: join(config.dataFolder, 'workspaces') }), {
      name: 'sweep',
      everyMs: config.sweepMs,
      logger,
    }),
    startReconciler(makePrune(deps), { name: 'prune', everyMs: pruneMs, logger }),
  ]
  return {
    name: 'builder',
    readiness: containment.readiness,
    async stop() {
      stopping.abort()
      await drain(worker, active, config.drainMs)
      limiter?.stop()
      await Promise.all(loops.map((loop) => loop.stop()))
      await store.turns.leave(config.worker).catch(() => {})
    },
  }
}

/** Undefined where it can't be done here: without the right, or with the engine on another machine. Then a guard does it, or nobody. */
async function limitSteps({ limits, dockerHost }: Config, logger: Logger): Promise<StepLimiter | undefined> {
  try {
    if (!dockerHost.startsWith('unix:')) throw new Error('the engine is on another machine')
    return await limitBuildSteps(limits.step)
  } catch (error) {
    logger.info({ detail: (error as Error).message }, 'build steps are not limited by this process')
    return undefined
  }
}
