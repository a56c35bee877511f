import { callDeadlineMs, type Engine, within } from './engine.ts'

const known = new WeakMap<Engine, string>()

/** What this engine builds for: `linux/amd64`. */
export async function enginePlatform(engine: Engine, signal?: AbortSignal): Promise<string> {
  const before = known.get(engine)
  if (before) return before
  const { Os, Arch } = await within(callDeadlineMs, signal, () => engine.docker.version())
  const platform = `${Os}/${Arch}`
  known.set(engine, platform)
  return platform
}

/** Does an engine of this platform build for that one? The usual variant may be named: linux/arm64/v8 is linux/arm64. */
export const isPlatformOf = (engine: string, wanted: string): boolean =>
  wanted === engine || wanted === `${engine}/${/arm64$/.test(engine) ? 'v8' : /amd64$/.test(engine) ? 'v1' : ''}`
