import { parseDigest } from '@taxiway/domain/ids.ts'
import type { RunBase } from '@taxiway/domain/run/parts.ts'
import type { RegistryAuth } from '@taxiway/registry/call.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import type { Engine } from '../engine/engine.ts'
import { registryDigest } from './image.ts'
import { localImage } from './local-image.ts'

/**
 * The digest of an image that a build used: the builder's own word, else the engine's, else, for what it only copied from, the
 * registry's. Without any of them it is left out.
 */
export async function resolveBase(
  engine: Engine,
  name: string,
  auths: Readonly<Record<string, RegistryAuth>>,
  signal?: AbortSignal,
): Promise<RunBase> {
  const [plain = name, said] = name.split('@')
  const digest = parseDigest(said ?? '')
  if (digest) return { name: plain, digest }
  return (await inEngine(engine, plain, signal)) ?? (await inRegistry(engine, plain, auths, signal)) ?? { name: plain }
}

async function inEngine(engine: Engine, name: string, signal?: AbortSignal): Promise<RunBase | undefined> {
  const found = await localImage(engine, name, signal).catch(() => undefined)
  signal?.throwIfAborted()
  if (found?.digest) return { name, digest: found.digest }
  const imageId = parseDigest(found?.id ?? '')
  return imageId ? { name, digest: imageId, isImageId: true } : undefined
}

async function inRegistry(
  engine: Engine,
  name: string,
  auths: Readonly<Record<string, RegistryAuth>>,
  signal?: AbortSignal,
): Promise<RunBase | undefined> {
  const registry = parseImageReference(name)?.registry
  const auth = registry === undefined ? undefined : auths[registry]
  const digest = await registryDigest(engine, name, auth, signal).catch(() => undefined)
  signal?.throwIfAborted()
  return digest ? { name, digest } : undefined
}
