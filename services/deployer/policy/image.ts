/** A name of an image with a digest, as registries know it: https://github.com/distribution/reference */
const pinned =
  /^[a-z0-9]([a-z0-9.-]*(:[0-9]{1,5})?)(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?@sha256:[0-9a-f]{64}$/

/**
 * Why a pod may not run this image, or undefined. One without a digest is a name of the pipeline's, or nothing: rendering
 * finds out. One with a digest must begin like one that a rule lists, by whole parts of its name, or be listed as it is.
 */
export function imageObjection(image: unknown, allowed: readonly string[] = []): string | undefined {
  if (typeof image !== 'string' || !image.includes('@')) return undefined
  if (!pinned.test(image)) return `image ${image} is not a name with a digest`
  const name = image.slice(0, image.indexOf('@'))
  const isListed = allowed.some((prefix) =>
    prefix.endsWith('/')
      ? name.startsWith(prefix)
      : image === prefix || name === prefix || [':', '/'].some((end) => name.startsWith(prefix + end)),
  )
  return isListed ? undefined : `image ${image} not allowed: the pipeline did not build it, and no rule lists it`
}
