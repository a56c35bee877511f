import { callDeadlineMs, type Engine, within } from './engine.ts'

interface EngineInfo {
  ID: string
  NCPU?: number
  DockerRootDir: string
}
const infos = new WeakMap<Engine, EngineInfo>()

async function infoOf(engine: Engine, signal?: AbortSignal): Promise<EngineInfo> {
  const known = infos.get(engine)
  if (known) return known
  const info = (await within(callDeadlineMs, signal, () => engine.docker.info())) as EngineInfo
  infos.set(engine, info)
  return info
}

/** The engine's own id: what is in it is recorded under that. */
export const engineId = async (engine: Engine, signal?: AbortSignal): Promise<string> =>
  (await infoOf(engine, signal)).ID

/** Processors of the engine's machine: it gives no container more than it has. */
export const engineCpus = async (engine: Engine, signal?: AbortSignal): Promise<number> =>
  (await infoOf(engine, signal)).NCPU ?? 1

/** The folder of the engine's machine that holds its images and containers. */
export const dataRoot = async (engine: Engine, signal?: AbortSignal): Promise<string> =>
  (await infoOf(engine, signal)).DockerRootDir
