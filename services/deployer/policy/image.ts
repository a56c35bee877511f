import { parseImageReference } from '@taxiway/registry/reference.ts'
import { against, type Objection } from './objection.ts'
import type { PolicyRules } from './rules.ts'

/** A name of an image with a digest, as registries know it: https://github.com/distribution/reference */
const pinned =
  /^[a-z0-9]([a-z0-9.-]*(:[0-9]{1,5})?)(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?@sha256:[0-9a-f]{64}$/

/**
 * Why a pod may not run this image, or undefined. One without a digest is looked for among the pipeline's, and at its registry
 * (resolveImages). One with a digest must begin like one that a rule lists, by whole parts of its name, or be listed as it is.
 */
export function imageObjection(image: unknown, rules: PolicyRules): Objection | undefined {
  if (typeof image !== 'string' || !image.includes('@') || rules.built?.has(nameIn(image))) return undefined
  if (!pinned.test(image)) return against(`image ${image} is not a name with a digest`)
  return isListed(image, rules.images)
    ? undefined
    : against(`image ${image} not allowed: the pipeline did not build it, and no rule lists it`, listIt(image))
}

/** What to do about an image that no rule lists. */
export const listIt = (image: string): string =>
  `Let the pipeline build it, or have an admin rule images: ["${nameIn(image)}"] for the environment`

/** Without tag and digest. */
export const nameIn = (image: string): string => image.replace(/@.*$/s, '').replace(/:[\w][\w.-]{0,127}$/, '')

/** Does a rule list this image, in any way to write it? Rules name images by their beginning, and it ends at parts of the name. */
export function isListed(image: string, allowed: readonly string[] = []): boolean {
  const [name = ''] = image.split('@')
  const names = [name, wholeName(name)]
  return [...allowed, ...allowed.map(wholeName)].some(
    (prefix) =>
      image === prefix ||
      names.some((one) =>
        prefix.endsWith('/')
          ? one.startsWith(prefix)
          : one === prefix || [':', '/'].some((end) => one.startsWith(prefix + end)),
      ),
  )
}

/** `docker.io/library/postgres:17` of `postgres:17`; what is no name stays as it is. */
function wholeName(image: string): string {
  const parsed = parseImageReference(image)
  if (!parsed) return image
  const { registry, repository, tag, digest } = parsed
  return `${registry}/${repository}${tag ? `:${tag}` : ''}${digest ? `@${digest}` : ''}`
}
