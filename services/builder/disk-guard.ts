import { mkdir, statfs } from 'node:fs/promises'
import type { Config } from '@taxiway/chassis/config.ts'
import type { Logger } from '@taxiway/chassis/logger.ts'
import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { dataRoot } from '@taxiway/docker/engine/engine-info.ts'
import { reason } from '@taxiway/domain/reason.ts'

/** How long the engine may take to say where its folder is; it is asked once. */
const engineMs = 2000

/** Keeps a builder from taking runs that its disk has no room for: its data folder's, and the engine's where that is on this machine. */
export function makeDiskGuard({ config, engine, logger }: { config: Config; engine: Engine; logger: Logger }) {
  let freePercent: number | undefined
  return {
    /** Percent of the disk that is free, while that is too little. */
    paused: () => freePercent,

    async look(): Promise<void> {
      await mkdir(config.dataFolder, { recursive: true })
      const shares = [await freeShare(config.dataFolder), await shareOfEngine(config.dockerHost, engine)]
      const percent = Math.floor(Math.min(...shares) * 100)
      const isShort = percent < config.leastFreePercent
      if (isShort && freePercent === undefined)
        logger.warn(reason('worker_paused', { worker: config.worker, percent }), 'paused')
      if (!isShort && freePercent !== undefined) logger.info({ percent }, 'there is room again, goes on')
      freePercent = isShort ? percent : undefined
    },
  }
}

/** One that is away, on another machine, or in a folder that is not visible from here is left to its own. */
async function shareOfEngine(dockerHost: string, engine: Engine): Promise<number> {
  if (!dockerHost.startsWith('unix:')) return 1
  return dataRoot(engine, AbortSignal.timeout(engineMs))
    .then(freeShare, () => 1)
    .catch(() => 1)
}

/** Part of the disk that is free for us, 0 to 1. */
export async function freeShare(folder: string): Promise<number> {
  const { bavail, blocks } = await statfs(folder)
  return blocks === 0 ? 1 : bavail / blocks
}
