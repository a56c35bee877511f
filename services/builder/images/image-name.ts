import { createHash } from 'node:crypto'

/** A part of an image's name as registries take it (distribution/reference, path-component). */
const isPart = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/

/**
 * Where the images of a repository are published below the prefix: its own name in lower case, where registries take that. Else
 * each part of it as near to that as they take, with a hash of the name, so that no other repository gets the same.
 */
export function imageFolder(repository: string): string {
  const parts = repository.toLowerCase().split('/')
  return parts
    .map((part) => {
      if (isPart.test(part)) return part
      const near = part.replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '')
      const hash = createHash('sha256').update(part).digest('hex').slice(0, 10)
      return near ? `${near}-${hash}` : hash
    })
    .join('/')
}
