import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import type { PlannedImage } from '@taxiway/domain/plan/images.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import { pathMatcher } from '@taxiway/domain/trigger.ts'
import type { TreeFile } from '@taxiway/git/tree.ts'

/** What else an image depends on. */
export interface KeyContext {
  /** Where it is published, and what it is built for unless its plan says: an image for another place is another image. */
  prefix: string
  platform: string
}
/** A change of how keys are made, or of how images are built, makes new keys. */
const edition = 2

/**
 * The content key of each image: a hash of its plan and of what git says that its files hold. Those are the files of its
 * `paths`, else all in its context, and always its Dockerfile and what that leaves out of the context. An image made from
 * another has that one's key in its own.
 */
export function contentKeys(
  images: readonly PlannedImage[],
  files: readonly TreeFile[],
  { prefix, platform }: KeyContext,
): Map<string, string> {
  const keys = new Map<string, string>()
  for (const image of images) {
    const { tags: _, pull: __, from = {}, secrets = [], ...plan } = image
    const bases = Object.entries(from).map(([argument, base]) => [argument, keys.get(base)])
    const content = files.filter(isPartOf(image, files)).map(({ path, mode, id }) => [path, mode, id])
    const parts = [edition, prefix, platform, ordered(plan), bases.sort(), [...secrets].sort(), content]
    keys.set(image.name, createHash('sha256').update(JSON.stringify(parts)).digest('hex'))
  }
  return keys
}

/**
 * The names under which an image of this key may be found, and the first of them is the one to leave it under: by branch, so that
 * what a branch left is taken by itself alone; all take what the default branch left.
 */
export function scopedKeys({ branch, tag, pullRequest, defaultBranch }: Run, key: string): [string, ...string[]] {
  const own = pullRequest ? `pull/${pullRequest.number}` : tag === undefined ? `heads/${branch}` : `tags/${tag}`
  const shared = defaultBranch === undefined ? [] : [`heads/${defaultBranch}`]
  return [`${own} ${key}`, ...shared.filter((scope) => scope !== own).map((scope) => `${scope} ${key}`)]
}

/** Where a link stands in the way, nobody knows from here what it brings, so everything counts. */
function isPartOf(
  { context, dockerfile, paths }: PlannedImage,
  files: readonly TreeFile[],
): (file: TreeFile) => boolean {
  const root = posix.join(context, '/')
  const ways = [posix.join(context, dockerfile), posix.normalize(dockerfile)]
  const always = new Set([
    ...ways.flatMap((path) => [path, `${path}.dockerignore`]),
    posix.join(context, '.dockerignore'),
  ])
  const isOnTheWay = ({ path, mode }: TreeFile) =>
    mode === '120000' && (always.has(path) || [root, ...ways].some((way) => way.startsWith(`${path}/`)))
  if (files.some(isOnTheWay)) return () => true
  const isInContext = (path: string) => root === './' || path.startsWith(root)
  const isNamed = paths ? pathMatcher(paths) : isInContext
  return ({ path }) => always.has(path) || isNamed(path)
}

/** The same whatever order the file has its keys in. */
const ordered = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(ordered)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return entries.map(([key, inner]) => [key, ordered(inner)])
}
