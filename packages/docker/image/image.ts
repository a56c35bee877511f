import { type Digest, parseDigest } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { RegistryAuth } from '@taxiway/registry/call.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import {
  callBack,
  callDeadlineMs,
  type Engine,
  engineFault,
  engineMessage,
  hasStatus,
  isDiskFull,
  stream,
  within,
} from '../engine/engine.ts'
import { readEvents } from '../engine/events.ts'
import { registryAway, registryFailure } from './registry-failure.ts'

/** How the engine wants credentials: as an object that becomes the X-Registry-Auth header. */
export const authHeader = (auth: RegistryAuth | undefined, registry: string): { authconfig: object } | object =>
  auth ? { authconfig: { ...auth, serveraddress: registry } } : {}

/** What a registry's or the engine's words say about credentials. */
export const isAuthFailure = (message: string): boolean =>
  /unauthorized|authentication required|no basic auth credentials|denied|forbidden|incorrect username or password/i.test(
    message,
  )

export interface PullOptions {
  auth?: RegistryAuth | undefined
  signal: AbortSignal
  deadlineMs: number
  onLine?(text: string): void | Promise<void>
}

/** Pulls an image into the engine. Refuses `image_not_found`, `registry_auth_failed`, `registry_unavailable`, or the engine's faults. */
export async function pullImage(
  engine: Engine,
  reference: string,
  { auth, signal, deadlineMs, onLine }: PullOptions,
): Promise<Outcome<{ imageId: string }>> {
  const parsed = parseImageReference(reference)
  if (!parsed) return refuse('image_not_found', { image: reference })
  const full = parsed.tag || parsed.digest ? reference : `${reference}:latest`
  const path = `/images/create?fromImage=${encodeURIComponent(full)}`
  try {
    const failure = await within(deadlineMs, signal, async (abortSignal) => {
      const answer = await stream(engine, { method: 'POST', path, ...authHeader(auth, parsed.registry) }, abortSignal)
      for await (const event of readEvents(answer)) {
        if (event.error !== undefined) return event.error
        if (event.status && /^(Pull complete|Status: |Digest: )/.test(event.status))
          await callBack(() => onLine?.(event.id ? `${event.id}: ${event.status}` : (event.status ?? '')))
      }
      return undefined
    })
    if (failure !== undefined) return explainPull(failure, reference, parsed.registry)
    const found = await within(callDeadlineMs, signal, () => engine.docker.getImage(full).inspect())
    return done({ imageId: found.Id })
  } catch (error) {
    signal.throwIfAborted()
    const reason = engineFault(error, { midWork: false })
    if (reason?.code === 'disk_full') return { ok: false, reason }
    if (hasStatus(error, 404, 500)) return explainPull(engineMessage(error), reference, parsed.registry)
    if (reason) return { ok: false, reason }
    throw error
  }
}

function explainPull(message: string, image: string, registry: string): Outcome<never> {
  if (isDiskFull(message)) return refuse('disk_full', { where: 'the Docker engine' })
  const known = registryFailure(message, image, registry)
  return { ok: false, reason: known ?? registryAway(message, registry) }
}

/** Is the image in the engine, under this name or id? */
export async function imageExists(engine: Engine, name: string, signal?: AbortSignal): Promise<boolean> {
  try {
    await within(callDeadlineMs, signal, () => engine.docker.getImage(name).inspect())
    return true
  } catch (error) {
    if (hasStatus(error, 404)) return false
    throw error
  }
}

/** What a reference stands for in its registry now, asked by way of the engine; undefined when the registry has no such image. */
export async function registryDigest(
  engine: Engine,
  reference: string,
  auth: RegistryAuth | undefined,
  signal?: AbortSignal,
): Promise<Digest | undefined> {
  const registry = parseImageReference(reference)?.registry
  if (registry === undefined) return undefined
  // Its published types know no credentials for this call, though it takes them.
  const image = engine.docker.getImage(reference) as unknown as { distribution(options: object): Promise<unknown> }
  try {
    const found = await within(callDeadlineMs, signal, () => image.distribution(authHeader(auth, registry)))
    return parseDigest((found as { Descriptor?: { digest?: string } }).Descriptor?.digest ?? '')
  } catch (error) {
    if (hasStatus(error, 404) || /manifest unknown|not found|name unknown/i.test(engineMessage(error))) return undefined
    throw error
  }
}

/**
 * What an image of the engine holds, as text: platform, layers and configuration, without these labels and without times. Two images
 * of the same text run alike.
 */
export async function imageContent(
  engine: Engine,
  id: string,
  withoutLabels: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  const { Architecture, Os, RootFS, Config } = await within(callDeadlineMs, signal, () =>
    engine.docker.getImage(id).inspect(),
  )
  const labels = Object.entries(Config.Labels ?? {}).filter(([name]) => !withoutLabels.includes(name))
  // Labels are sorted beside it; host name and parent name the container and image of one build, and are the same for nobody.
  const { Labels: _, Hostname: __, Image: ___, ...config } = Config
  return JSON.stringify([Os, Architecture, RootFS.Layers, Object.entries(config).sort(), labels.sort()])
}

/** Removes a local name, and the image when it was its last. Gone, or in use, is success. */
export async function removeImage(engine: Engine, name: string): Promise<void> {
  await within(callDeadlineMs, undefined, () => engine.docker.getImage(name).remove()).catch((error) => {
    if (!hasStatus(error, 404, 409)) throw error
  })
}

/** Gives an image one more local name. */
export async function nameImage(engine: Engine, image: string, name: string, signal?: AbortSignal): Promise<void> {
  const colon = name.lastIndexOf(':')
  const [repo, tag] = [name.slice(0, colon), name.slice(colon + 1)]
  await within(callDeadlineMs, signal, () => engine.docker.getImage(image).tag({ repo, tag }))
}

/** Who the containers of an image run as, as its configuration says it: empty for root. Undefined when the engine does not have it. */
export async function imageUser(engine: Engine, name: string, signal?: AbortSignal): Promise<string | undefined> {
  try {
    const { Config } = await within(callDeadlineMs, signal, () => engine.docker.getImage(name).inspect())
    return Config?.User ?? ''
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    throw error
  }
}
