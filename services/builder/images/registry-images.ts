import type { Engine } from '@taxiway/docker/engine/engine.ts'
import { engineId } from '@taxiway/docker/engine/engine-info.ts'
import { pullImage } from '@taxiway/docker/image/image.ts'
import { type LocalImage, localImage } from '@taxiway/docker/image/local-image.ts'
import type { PullPolicy } from '@taxiway/domain/pipeline/parts.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import type { ConfiguredRegistry } from '@taxiway/store/access/registries.ts'
import { registryHost } from '@taxiway/store/access/registries.ts'
import type { Store } from '@taxiway/store/store.ts'
import { othersRule } from './foreign-images.ts'

export interface RegistryImagesDeps {
  engine: Engine
  store: Pick<Store, 'registries' | 'repositories' | 'pulledImages'>
  registry: ConfiguredRegistry
  /** owner/name, whose run it is for. */
  repository?: string
  isTrusted: boolean
}
/** Who asks. */
export interface Asking {
  signal: AbortSignal
  say(line: string): void
  /** Default: always. */
  pull?: PullPolicy | undefined
}
/** Images of registries, as one run uses them: a registry is asked for each once, so that all of the run have the same. */
export interface RegistryImages {
  /**
   * Has an image of a test in the engine. Only a reference of a registry is taken, never an id or what another run has built. Code that
   * nobody approved gets no more than a registry gives to everybody, whatever its file says.
   */
  provide(reference: string, asking: Asking): Promise<Outcome<LocalImage>>
  /**
   * Sees to a base of a build in the engine, from which the builder takes it; what is not there, the builder itself asks the registry for.
   * `moved`: the engine has another under its name than at `sinceMs` (of performance.now).
   */
  refresh(reference: string, sinceMs: number, asking: Asking): Promise<Outcome<'same' | 'moved'>>
}
const pullMs = 10 * 60_000

/** Makes what has images of registries for one run. */
export function makeRegistryImages(deps: RegistryImagesDeps): RegistryImages {
  const { engine, isTrusted } = deps
  const pulls = new Map<string, ReturnType<typeof pullNow>>()
  const pull: typeof pullNow = async (_, reference, before, asking) => {
    const key = wholeName(reference)
    const pulled = pulls.get(key) ?? pullNow(deps, reference, before, asking)
    pulls.set(key, pulled)
    const isHad = await pulled.then(({ ok }) => ok).catch(() => false)
    if (!isHad) pulls.delete(key)
    return pulled
  }
  return {
    async provide(reference, asking) {
      const parsed = parseImageReference(reference)
      if (!parsed) return refuse('image_not_found', { image: reference })
      const isDockerHub = registryHost(parsed.registry) === 'docker.io'
      if (isDockerHub && /^(taxiway-(work|run)\/|library\/sha256$)/.test(parsed.repository))
        return refuse('option_not_allowed', { option: `image ${reference}` })
      const refused = (await othersRule(deps, deps.repository ?? ''))(reference)
      if (refused) return { ok: false, reason: refused }
      const full = parsed.tag || parsed.digest ? reference : `${reference}:latest`
      const local = await localImage(engine, full, asking.signal)
      if (!local && isTrusted && asking.pull === 'never') return absent(reference)
      if (!local || isAsked(full, local, asking) || (!isTrusted && local.digest !== undefined))
        return pull(deps, full, local, asking)
      await note(deps, 'used', full, asking.signal)
      return done(local)
    },
    async refresh(reference, sinceMs, asking) {
      if (!parseImageReference(reference)) return done('same')
      const local = await localImage(engine, reference, asking.signal)
      if (!local) return asking.pull === 'never' ? absent(reference) : done('same')
      if (!isAsked(reference, local, asking)) return done('same')
      const pulled = await pull(deps, reference, local, asking)
      if (!pulled.ok) return pulled
      return done(pulled.value.movedMs !== undefined && pulled.value.movedMs > sinceMs ? 'moved' : 'same')
    },
  }
}

/** One name for all ways to write it. */
export function wholeName(reference: string): string {
  const { registry = '', repository, tag = 'latest', digest } = parseImageReference(reference) ?? {}
  return `${registry}/${repository}${digest ? `@${digest}` : `:${tag}`}`
}

const absent = (image: string): Outcome<never> =>
  refuse('image_not_allowed', { image, detail: 'the pipeline says pull: never, and the engine does not have it' })

/** A digest stands for one thing for ever, and what was made or loaded here no registry is known to have. */
const isAsked = (reference: string, local: LocalImage, { pull = 'always' }: Asking): boolean =>
  pull === 'always' && local.digest !== undefined && !reference.includes('@')

const note = async (
  { engine, store }: RegistryImagesDeps,
  what: 'used' | 'pulled',
  image: string,
  signal: AbortSignal,
) => store.pulledImages[what](await engineId(engine, signal), image)

/** `movedMs`: when the name got another image than the engine had under it. */
async function pullNow(
  deps: RegistryImagesDeps,
  reference: string,
  before: LocalImage | undefined,
  { signal, say }: Asking,
): Promise<Outcome<LocalImage & { movedMs?: number }>> {
  const { engine, store, registry, isTrusted } = deps
  const host = registryHost(parseImageReference(reference)?.registry ?? '')
  const auth = isTrusted ? (await store.registries.credentials(registry))[host] : undefined
  say(`pulling ${reference}`)
  const pulled = await pullImage(engine, reference, { auth, signal, deadlineMs: pullMs, onLine: say })
  if (!pulled.ok) return pulled
  const movedMs = before && before.id !== pulled.value.imageId ? performance.now() : undefined
  // What was there before is not ours to remove.
  await note(deps, before ? 'used' : 'pulled', reference, signal)
  const now = await localImage(engine, reference, signal)
  return done({ id: pulled.value.imageId, ...now, ...(movedMs === undefined ? {} : { movedMs }) })
}
