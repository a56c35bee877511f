import { isRefName } from '@taxiway/domain/ids.ts'

/** A tag of the git host. */
export interface Tag {
  /** Like `refs/tags/v1.0`. */
  ref: string
  /** What it names: a commit, or an object with a message of its own. */
  id: string
  /** The commit that such an object leads to. */
  commit?: string
}

/** The tags that `git ls-remote --tags` lists, by name. Names that git would not take are none. */
export function readTags(listed: string): Tag[] {
  const tags = new Map<string, Tag>()
  for (const line of listed.split('\n')) {
    const [, id = '', ref = '', peeled] = /^([0-9a-f]{40}|[0-9a-f]{64})\t(refs\/tags\/.*?)(\^\{\})?$/.exec(line) ?? []
    if (!isRefName(ref)) continue
    if (!peeled) tags.set(ref, { ref, id })
    else if (tags.has(ref)) tags.set(ref, { ...(tags.get(ref) as Tag), commit: id })
  }
  return [...tags.values()].sort((a, b) => Buffer.compare(Buffer.from(a.ref), Buffer.from(b.ref)))
}

/** The file in which a repository holds many refs (git-scm.com/docs/gitrepository-layout, packed-refs). */
export const packedRefs = (tags: readonly Tag[]): string =>
  `# pack-refs with: peeled fully-peeled sorted \n${tags
    .map(({ ref, id, commit }) => `${id} ${ref}\n${commit === undefined ? '' : `^${commit}\n`}`)
    .join('')}`
