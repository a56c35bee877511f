/** An image of the pipeline, as the run published it. */
interface PublishedImage {
  name: string
  /** `registry.example.com/shop/web@sha256:…` */
  reference?: string | undefined
}

/**
 * Values of a chart for images of the pipeline. The last key of a path says what stands there: `registry`, `repository` (without the
 * registry where that has a path beside it), `tag`, `digest`; any other, the whole reference.
 */
export function imageValues(
  paths: Readonly<Record<string, string | readonly string[]>>,
  images: readonly PublishedImage[],
  tag: string,
): Record<string, string> {
  const values: Record<string, string> = {}
  for (const [image, at] of Object.entries(paths)) {
    const reference = images.find(({ name }) => name === image)?.reference
    if (reference === undefined) continue
    const [name = '', digest = ''] = reference.split('@')
    const slash = name.indexOf('/')
    const all = [at].flat()
    for (const path of all) {
      const [, parent = '', last = ''] = /^(.*?)([^.]*)$/.exec(path) ?? []
      const isApart = all.includes(`${parent}registry`)
      const parts: Record<string, string> = {
        registry: name.slice(0, slash),
        repository: isApart ? name.slice(slash + 1) : name,
        tag,
        digest,
      }
      values[path] = Object.hasOwn(parts, last) ? (parts[last] as string) : reference
    }
  }
  return values
}
