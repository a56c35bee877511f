import type { RenderedObject } from '@taxiway/domain/environment/release.ts'
import { done, type Outcome, type Reason, reason, refuse } from '@taxiway/domain/reason.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import { makeRegistryApi } from '@taxiway/registry/api.ts'
import type { RegistryAuth } from '@taxiway/registry/call.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import { isListed, listIt, nameIn } from '../policy/image.ts'
import type { PolicyRules } from '../policy/rules.ts'
import { containersOf, podTemplatesOf } from './templates.ts'

/** References with digest of the pipeline's images: by their names, there and in the registry, and by those that the file gives them (`as`). */
export function referencesOf({ images, plan }: Pick<Run, 'images' | 'plan'>): Record<string, string> {
  const built = images.flatMap(({ name, reference }) => (reference ? [{ name, reference }] : []))
  const aliases = built.flatMap(({ name, reference }) => {
    const as = plan?.images.find((image) => image.name === name)?.as
    return as === undefined ? [] : [[as, reference]]
  })
  const published = built.map(({ reference }) => [nameIn(reference), reference])
  return Object.fromEntries([...published, ...aliases, ...built.map(({ name, reference }) => [name, reference])])
}

/** The reference of the pipeline's image that is meant: by its name with any tag; by the name of `as` with any digest, too. */
export function builtImage(image: string, references: Readonly<Record<string, string>>): string | undefined {
  const name = nameIn(image)
  // A bare name with a digest is that of a public image.
  if (!Object.hasOwn(references, name) || (image.includes('@') && !name.includes('/'))) return undefined
  return references[name]
}

export interface ResolveDeps {
  /** Of the pipeline's images. */
  references: Readonly<Record<string, string>>
  rules: Pick<PolicyRules, 'images' | 'digests'>
  titleOf(object: RenderedObject): string
  /** The digest that a tag stands for now. */
  digestOf(image: string): Promise<Outcome<string>>
  say(line: string): void
}

/**
 * What stands in the place of each image that pods name: the pipeline's by its digest, another by the digest that its tag stands
 * for at its registry now, if a rule lists it. What has a digest is not in the answer, nor what stays unresolved.
 */
export async function resolveImages(
  objects: readonly RenderedObject[],
  { references, rules, titleOf, digestOf, say }: ResolveDeps,
): Promise<{ resolved: Record<string, string>; reasons: Reason[] }> {
  const users = new Map<string, RenderedObject>()
  for (const object of objects)
    for (const template of podTemplatesOf(object))
      for (const { image } of containersOf(template)) {
        const name = typeof image === 'string' && image !== '' ? image : '(none)'
        if (!users.has(name)) users.set(name, object)
      }
  const resolved: Record<string, string> = {}
  const reasons: Reason[] = []
  for (const [image, object] of users) {
    const built = builtImage(image, references)
    if (built) {
      resolved[image] = built
      if (!Object.hasOwn(references, image)) say(`image ${image} is this pipeline's: ${built}`)
      continue
    }
    if (/@sha256:[0-9a-f]{64}$/.test(image)) continue
    const found = await resolveOther(image, titleOf(object), { rules, digestOf })
    if (!found.ok) {
      reasons.push(found.reason)
      continue
    }
    resolved[image] = `${image}@${found.value}`
    say(`image ${image} is ${found.value} now`)
  }
  return { resolved, reasons }
}

async function resolveOther(
  image: string,
  object: string,
  { rules, digestOf }: Pick<ResolveDeps, 'rules' | 'digestOf'>,
): Promise<Outcome<string>> {
  const isName = parseImageReference(image) !== undefined
  if (!isName || !isListed(image, rules.images))
    return refuse('image_unresolved', { object, image, ...(isName ? { hint: listIt(image) } : {}) })
  if (rules.digests === 'required')
    return refuse('image_unresolved', { object, image, hint: 'A rule of the environment wants it with its digest' })
  return digestOf(image)
}

/** Asks registries with these credentials. `registry_unavailable`, `registry_auth_failed` or `image_not_found` when there is no digest. */
export const askRegistry =
  (auths: () => Promise<Record<string, RegistryAuth>>, signal: AbortSignal): ResolveDeps['digestOf'] =>
  async (image) => {
    const parsed = parseImageReference(image)
    if (!parsed) return refuse('image_not_found', { image })
    const { registry, repository, tag = 'latest', digest: named } = parsed
    const reference = named ?? tag
    const api = makeRegistryApi(registry, (await auths())[registry], signal)
    try {
      const digest = (await api.digest(repository, reference)) ?? (await api.manifest(repository, reference))?.digest
      return digest ? done(digest) : refuse('image_not_found', { image, registry })
    } catch (error) {
      signal.throwIfAborted()
      return { ok: false, reason: whyNot(error as Error, registry, image) }
    }
  }

function whyNot(error: Error, registry: string, image: string): Reason {
  if (/ answered 40[13] /.test(error.message)) return reason('registry_auth_failed', { registry, image })
  const cause = error.cause instanceof Error ? error.cause.message : undefined
  return reason('registry_unavailable', { registry, detail: cause ?? error.message })
}
