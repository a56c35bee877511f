import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { enginePlatform, isPlatformOf } from '@taxiway/docker/engine/platform.ts'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'

/** What an image is built for, when its plan says so; refused when the engine does not have it, and when it is more than one. */
export async function choosePlatform(
  engine: Engine,
  { name, platforms }: PlannedImage,
  signal: AbortSignal,
): Promise<Outcome<string | undefined>> {
  const wanted = [...new Set(platforms)]
  const [platform] = wanted
  if (platform === undefined) return done(undefined)
  const has = await enginePlatform(engine, signal)
  if (wanted.length === 1 && isPlatformOf(has, platform)) return done(platform)
  return refuse('platform_unavailable', { image: name, wanted: wanted.join(' and '), has })
}
