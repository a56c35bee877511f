import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { enginePlatform, isPlatformOf } from '@taxiway/docker/engine/platform.ts'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'

/** What images are built for, by name, where their plans say so; refused for the first that the engine can't, or that is for more than one. */
export async function choosePlatforms(
  engine: Engine,
  images: readonly PlannedImage[],
  signal: AbortSignal,
): Promise<Outcome<Map<string, string>>> {
  const chosen = new Map<string, string>()
  for (const { name, platforms } of images) {
    const wanted = [...new Set(platforms)]
    const [platform] = wanted
    if (platform === undefined) continue
    const has = await enginePlatform(engine, signal)
    if (wanted.length > 1 || !isPlatformOf(has, platform))
      return refuse('platform_unavailable', { image: name, wanted: wanted.join(' and '), has })
    chosen.set(name, platform)
  }
  return done(chosen)
}
