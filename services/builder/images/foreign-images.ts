import { type Engine, within } from '@taxiway/docker/engine/engine.ts'
import { registryDigest } from '@taxiway/docker/image/image.ts'
import { type Reason, reason } from '@taxiway/domain/reason.ts'
import type { Repository } from '@taxiway/domain/repository.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import { type ConfiguredRegistry, type RegistryCredentials, registryHost } from '@taxiway/store/access/registries.ts'
import type { Store } from '@taxiway/store/store.ts'

/** Says why the code of a run may not use an image, or undefined if it may. */
export type ImageRule = (reference: string) => Reason | undefined

export interface ImageRuleDeps {
  engine: Engine
  store: { registries: Pick<Store['registries'], 'credentials'>; repositories: Pick<Store['repositories'], 'list'> }
  registry: ConfiguredRegistry
  run: Pick<Run, 'repository' | 'trusted'>
  signal: AbortSignal
  /** The Dockerfile and its arguments, from which the names of its bases are put together. */
  words(): Promise<string>
}
/** Images of the engine that registries are asked for, and how long all of that may take. */
const mostAsked = 20
const askMs = 20_000

/**
 * What a run's builds may take by name. Not what another repository has published here, whoever gives it out. Code that nobody
 * approved takes nothing from the engine that its registry would not give to everybody.
 */
export async function imageRule(deps: ImageRuleDeps): Promise<ImageRule> {
  const { run } = deps
  const others = await othersRule(deps, run.repository)
  const heldBack = run.trusted === false ? await privateInEngine(deps) : () => false
  const detail = 'its registry asks for a password, which code that no member has approved is not given'
  return (image) => others(image) ?? (heldBack(image) ? reason('image_not_allowed', { image, detail }) : undefined)
}

/** Refuses what other repositories have published in Taxiway's own registry. */
export async function othersRule(
  { store, registry }: Pick<ImageRuleDeps, 'store' | 'registry'>,
  own: string,
): Promise<ImageRule> {
  const isOthers = publishedByOthers(registry.prefix, own, await store.repositories.list())
  const detail = 'another repository has published it'
  return (image) => (isOthers(image) ? reason('image_not_allowed', { image, detail }) : undefined)
}

/** Is it an image under the name of another repository? */
export function publishedByOthers(
  prefix: string,
  own: string,
  repositories: readonly Pick<Repository, 'name'>[],
): (reference: string) => boolean {
  const names = repositories.map(({ name }) => name.toLowerCase()).filter((name) => name !== own.toLowerCase())
  const folders = names.map((name) => `${placeOf(`${prefix}/${name}`)}/`)
  return (reference) => folders.some((folder) => `${placeOf(reference)}/`.startsWith(folder))
}

/** Registry and name, with one name for this machine's own addresses. */
function placeOf(reference: string): string {
  const { registry, repository } = parseImageReference(reference) ?? { registry: '', repository: reference }
  const host = registryHost(registry).replace(/^(localhost|127(?:\.\d+){3})(?=:|$)/, 'localhost')
  return `${host}/${repository}`
}

/** The last part of its name. */
const lastPart = (name: string): string => placeOf(name).split('/').at(-1) ?? name

/** Which images of the engine came from registries with a password, and are not given out without. */
async function privateInEngine(deps: ImageRuleDeps): Promise<(image: string) => boolean> {
  const { engine, store, registry, signal } = deps
  const credentials: RegistryCredentials = await store.registries.credentials(registry)
  const hosts = new Set(Object.keys(credentials).map((host) => placeOf(`${host}/x`).split('/')[0]))
  if (hosts.size === 0) return () => false
  const isAsked = (name: string) => hosts.has(placeOf(name).split('/')[0])
  const images = await within(askMs, signal, () => engine.docker.listImages())
  const names = images.flatMap(({ RepoTags, RepoDigests }) => [...(RepoTags ?? []), ...(RepoDigests ?? [])])
  const open = new Set<string>()
  const ask = async (name: string) => {
    const digest = await registryDigest(engine, name, undefined, signal).catch(() => undefined)
    if (digest !== undefined) open.add(placeOf(name))
  }
  // One name of each: registries give out whole repositories.
  const one = new Map(names.filter((name) => isAsked(name)).map((name) => [placeOf(name), name]))
  // Registries count what they are asked: those that are not named in one piece are held back unasked.
  const words = one.size > 0 ? await deps.words() : ''
  const asked = [...one.values()].filter((name) => words.includes(lastPart(name))).slice(0, mostAsked)
  await within(askMs, signal, () => Promise.all(asked.map(ask))).catch(() => signal.throwIfAborted())
  return (image) => one.has(placeOf(image)) && !open.has(placeOf(image))
}
