import { type Digest, parseDigest } from '@taxiway/domain/ids.ts'
import type { RunImage } from '@taxiway/domain/run/parts.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import type { RegistryApi } from '@taxiway/registry/api.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import { isReferrersTag, referrersTag } from '@taxiway/registry/referrers.ts'

/** What became of the images of an old run. */
export type Unpublished =
  /** None is left, or something needs those that are. */
  | { removed: number; isDone: boolean }
  /** The registry does not let us. */
  | 'not_allowed'

/** A repository of the registry with more tags of unknown make than this is left alone. */
const mostStrangers = 500

/**
 * Removes images of old runs of one repository from the registry at `host`. What another tag stands for stays as well: a
 * person may have given it.
 * @param numbers of the old runs, whose own tags `run-N` protect nothing
 * @param kept digests that releases and newer runs are made of
 */
export function makeUnpublish(order: {
  host: string
  api: RegistryApi
  numbers: ReadonlySet<number>
  kept: ReadonlySet<string>
}): (run: Run) => Promise<Unpublished> {
  const tagged = new Map<string, Promise<Set<string> | undefined>>()
  const taggedIn = (repository: string) => {
    const known = tagged.get(repository) ?? readTagged(order.api, repository, order.numbers)
    tagged.set(repository, known)
    return known
  }
  return async (run) => {
    let removed = 0
    let isDone = true
    for (const image of run.images) {
      const place = parseImageReference(image.reference ?? '')
      if (place?.registry !== order.host) continue
      const others = await taggedIn(place.repository)
      const digest = parseDigest(image.digest ?? '')
      if (!digest) continue
      if (!others || others.has(digest) || order.kept.has(digest)) {
        isDone = false
        continue
      }
      if ((await order.api.remove(place.repository, digest)) === 'not_allowed') return 'not_allowed'
      removed += 1
      await removeReferrers(order.api, place.repository, digest, image)
    }
    return { removed, isDone }
  }
}

/** What was said about an image goes with it: its provenance, and the list of such things where a registry has it as a tag. */
async function removeReferrers(api: RegistryApi, repository: string, image: Digest, { provenance }: RunImage) {
  const list = await api.digest(repository, referrersTag(image))
  for (const digest of [parseDigest(provenance ?? ''), list]) if (digest) await api.remove(repository, digest)
}

/** Digests of all tags but those of the old runs; undefined when there are too many to ask about. */
async function readTagged(
  api: RegistryApi,
  repository: string,
  numbers: ReadonlySet<number>,
): Promise<Set<string> | undefined> {
  const tags = await api.tags(repository)
  const isOwn = (tag: string) => isReferrersTag(tag) || numbers.has(Number(/^run-(\d+)$/.exec(tag)?.[1] ?? Number.NaN))
  const strangers = tags.filter((tag) => !isOwn(tag))
  if (strangers.length > mostStrangers) return undefined
  const found = new Set<string>()
  for (const tag of strangers) {
    const digest = await api.digest(repository, tag)
    if (digest) found.add(digest)
  }
  return found
}
