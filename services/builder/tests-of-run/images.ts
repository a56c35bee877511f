import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { callDeadlineMs, hasStatus, within } from '@taxiway/docker/engine/engine.ts'
import { engineId } from '@taxiway/docker/engine/engine-info.ts'
import { parseImageReference, pullImage } from '@taxiway/docker/image/image.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { ConfiguredRegistry } from '@taxiway/store/access/registries.ts'
import { registryHost } from '@taxiway/store/access/registries.ts'
import type { Store } from '@taxiway/store/store.ts'
import { othersRule } from '../images/foreign-images.ts'

export interface ImageDeps {
  engine: Engine
  store: Pick<Store, 'registries' | 'repositories' | 'pulledImages'>
  registry: ConfiguredRegistry
  /** owner/name, whose run it is for. */
  repository?: string
  isTrusted: boolean
  signal: AbortSignal
  say(line: string): void
}
const pullMs = 10 * 60_000

/**
 * Has an image that the pipeline does not build in the engine, and returns its id. Only a reference of a registry is taken, never an
 * id or what another run has built. Code that nobody approved gets no more than a registry gives to everybody.
 */
export async function provideImage(deps: ImageDeps, reference: string): Promise<Outcome<string>> {
  const { engine, store, isTrusted, signal } = deps
  const parsed = parseImageReference(reference)
  if (!parsed) return refuse('image_not_found', { image: reference })
  const host = registryHost(parsed.registry)
  if (host === 'docker.io' && /^(taxiway-(work|run)\/|library\/sha256$)/.test(parsed.repository))
    return refuse('option_not_allowed', { option: `image ${reference}` })
  const refused = (await othersRule(deps, deps.repository ?? ''))(reference)
  if (refused) return { ok: false, reason: refused }
  const full = parsed.tag || parsed.digest ? reference : `${reference}:latest`
  const name = await engineId(engine, signal)
  const local = await localImage(engine, full, signal)
  if (local && (isTrusted || local.isOnlyHere)) {
    await store.pulledImages.used(name, full)
    return done(local.id)
  }
  const auth = isTrusted ? (await store.registries.credentials(deps.registry))[host] : undefined
  deps.say(`pulling ${full}`)
  const pulled = await pullImage(engine, full, { auth, signal, deadlineMs: pullMs, onLine: deps.say })
  if (!pulled.ok) return pulled
  // What was there before is not ours to remove.
  await store.pulledImages[local ? 'used' : 'pulled'](name, full)
  return done(pulled.value.imageId)
}

/** `isOnlyHere`: no registry is known to have it, so it was put here for all. */
async function localImage(
  engine: Engine,
  name: string,
  signal: AbortSignal,
): Promise<{ id: string; isOnlyHere: boolean } | undefined> {
  try {
    const { Id, RepoDigests } = await within(callDeadlineMs, signal, () => engine.docker.getImage(name).inspect())
    return { id: Id, isOnlyHere: (RepoDigests ?? []).length === 0 }
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    throw error
  }
}
