import type { Work } from '@taxiway/domain/environment/work.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { RegistryAuth } from '@taxiway/registry/call.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import { callDeadlineMs, type Engine, engineFault, engineMessage, hasStatus, within } from '../engine/engine.ts'
import { authHeader, imageExists, pullImage } from '../image/image.ts'
import { registryAway, registryFailure } from '../image/registry-failure.ts'
import type { Workload } from './pod.ts'

/** The engine, and who it is to its registries. */
export interface ImageSource {
  engine: Engine
  /** By registry host, asked for as they are needed. */
  registryAuths?: () => Promise<Record<string, RegistryAuth>>
  /** Hears of every image that a release is given, so that those we pulled can go when they are of no more use. */
  onImage?: (image: string, wasPulled: boolean) => Promise<void>
}

/** Can the image be had? Asks the engine, then the registry, and pulls nothing. */
export async function checkImage(
  { engine, registryAuths }: ImageSource,
  image: string,
  { signal }: Work,
): Promise<Outcome<void>> {
  const registry = parseImageReference(image)?.registry
  if (registry === undefined) return refuse('image_not_found', { image })
  if (await imageExists(engine, image, signal)) return done(undefined)
  const options = authHeader((await registryAuths?.())?.[registry], registry)
  try {
    await within(callDeadlineMs, signal, () => engine.docker.getImage(image).distribution(options))
    return done(undefined)
  } catch (error) {
    signal.throwIfAborted()
    if (engineFault(error, { midWork: false })) throw error
    const detail = engineMessage(error)
    const known = registryFailure(detail, image, registry)
    if (known) return { ok: false, reason: known }
    if (hasStatus(error, 401, 403)) return refuse('registry_auth_failed', { registry, image })
    return { ok: false, reason: registryAway(detail, registry) }
  }
}

/** Pulls the image when it is absent, and sees that the workload's command can be carried. */
export async function haveImage(
  { engine, registryAuths, onImage }: ImageSource,
  workload: Workload,
  { deadlineMs, signal, say }: Work,
): Promise<Outcome<void>> {
  const { image } = workload
  const isAbsent = !(await imageExists(engine, image, signal))
  if (isAbsent) {
    say(`pulling ${image}`)
    const pulled = await pullImage(engine, image, {
      deadlineMs,
      signal,
      auth: (await registryAuths?.())?.[parseImageReference(image)?.registry ?? ''],
    })
    if (!pulled.ok) return pulled
  }
  await onImage?.(image, isAbsent)
  if (!workload.replacesEntrypoint) return done(undefined)
  const entrypoint = (await inspectImage(engine, image, signal))?.Config?.Entrypoint
  if (!entrypoint?.length) return done(undefined)
  const detail = 'command would replace the ENTRYPOINT of its image; use args, or an image with CMD only'
  return refuse('manifest_unsupported', { object: workload.name, detail })
}

/** Undefined when the engine knows no such image. */
export async function inspectImage(engine: Engine, image: string, signal: AbortSignal) {
  try {
    return await within(callDeadlineMs, signal, () => engine.docker.getImage(image).inspect())
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    throw error
  }
}
