import { join } from 'node:path'
import type { Config } from '@taxiway/chassis/config.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { newId } from '@taxiway/domain/ids.ts'
import type { Store } from '@taxiway/store/store.ts'
import { freeShare as freeShareOf } from '../disk-guard.ts'
import { makeWorkspaces } from '../workspaces.ts'
import { makePruneArtifacts } from './artifacts.ts'
import { pruneEngine } from './engine.ts'
import { makePruneRecord } from './record.ts'

export interface PruneDeps {
  config: Config
  store: Store
  engine: Engine
  logger: Logger
  /** Part of the disk that is free, 0 to 1; asked of the data folder unless given. */
  freeShare?: () => Promise<number>
  /** Monotonic milliseconds. */
  clock?: () => number
}
const hourMs = 3_600_000
/** With less of the disk free than this, there is no waiting for the hour; */
const leastFree = 0.1
/** but neither is everything gone over again and again. */
const pressedMs = 10 * 60_000
/** One process prunes the record at a time; one that died is waited for this long. */
const leaseMs = 10 * 60_000

/** Makes the pass that prunes engine, artifacts, registry and record: at start, every hour, and while the disk is nearly full. */
export function makePrune(deps: PruneDeps): (signal: AbortSignal) => Promise<void> {
  const { config, store, engine, logger } = deps
  const clock = deps.clock ?? (() => performance.now())
  const freeShare = deps.freeShare ?? (() => freeShareOf(config.dataFolder))
  const pruneRecord = makePruneRecord({ config, store, logger })
  const pruneArtifacts = makePruneArtifacts({ folder: join(config.dataFolder, 'artifacts'), store })
  const workspaces = makeWorkspaces(config.dataFolder)
  let lastMs: number | undefined
  return async function pruneOnce(signal) {
    const isPressed = (await freeShare()) < leastFree
    const waitMs = isPressed ? pressedMs : hourMs
    if (lastMs !== undefined && clock() - lastMs < waitMs) return
    if (isPressed) logger.warn('less than a tenth of the disk is free')
    lastMs = clock()
    // An engine that is away does not keep the record from being pruned.
    const engineDone = await pruneEngine({ store, engine, logger, cacheBytes: config.cacheGb * 1e9 }, isPressed, signal)
      .then(() => undefined)
      .catch((error: unknown) => error)
    signal.throwIfAborted()
    await pruneArtifacts(signal)
    await workspaces.prune({ all: isPressed })
    const holder = newId('prune', store.random)
    if (await store.retention.holdPruning(holder, leaseMs))
      await pruneRecord(signal).finally(() => store.retention.leavePruning(holder))
    if (engineDone) logger.warn({ err: engineDone }, 'the engine could not be pruned, will try again')
  }
}
