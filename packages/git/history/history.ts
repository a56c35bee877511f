import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { done, type Outcome, reason, refuse } from '@taxiway/domain/reason.ts'
import { fetchRefs, remoteOf, wholeDepth } from '../fetch.ts'
import { whyFetchFailed } from '../fetch-failure.ts'
import type { FetchOrder } from '../fetch-order.ts'
import { git } from '../git.ts'
import { fetchLocked, inMirror } from '../mirror.ts'
import type { CloneUrl } from '../url.ts'
import { writeGitFolder } from './git-folder.ts'
import { readTags, type Tag } from './tags.ts'
import { type Window, windowOf } from './window.ts'

/** How much of what came before a commit is asked for. */
export interface HistoryAsked {
  /** Generations of commits; all without it. */
  depth?: number
  /** With the tags that lead to commits of it. */
  tags?: boolean
  /** Files that are not as the commit has them, like large files in the place of their pointers: they count as unchanged. */
  replaced?: readonly string[]
}

const mostListBytes = 256 * 2 ** 20
const mostTagBytes = 8 * 2 ** 20
const mostTags = 20_000

/**
 * Makes the `.git` of a working tree that holds the commit: its history and the tags in it, and nothing else of the repository; no remote,
 * no hook, no setting that a push could choose. The same bytes for the same commit, depth and tags. Histories have a mirror of their own,
 * as fetches of single commits cut what they find.
 * @param tree the working tree; what it has as `.git` goes
 * @returns how many commits and tags it has; refused as `fetchCommit` does, and with clone_too_large for too many tags or commits
 */
export async function bringHistory(
  order: FetchOrder,
  tree: string,
  { depth = wholeDepth, tags: wantsTags = false, replaced = [] }: HistoryAsked,
): Promise<Outcome<{ commits: number; tags: number }>> {
  const mirror = join(order.folder, `${order.repositoryId}.history`)
  const folder = join(tree, '.git')
  await rm(folder, { recursive: true, force: true })
  return inMirror(mirror, order, async (within, url) => {
    const fetched = await fetchLocked(mirror, within, url, depth)
    if (!fetched.ok) return fetched
    const window = await seen(mirror, within, depth)
    if (!window.ok) return window
    const tags = wantsTags ? await bringTags(mirror, within, url, window.value) : done([])
    if (!tags.ok) return tags
    await writeGitFolder({ mirror, folder, sha: order.sha, window: window.value, tags: tags.value, replaced }, within)
    return done({ commits: window.value.commits.size, tags: tags.value.length })
  })
}

async function seen(mirror: string, { sha, signal, limits }: FetchOrder, depth: number): Promise<Outcome<Window>> {
  const listed = await git(['rev-list', '--parents', '--end-of-options', sha], {
    folder: mirror,
    signal,
    deadlineMs: limits.deadlineMs,
    maxBytes: mostListBytes,
  })
  if (listed.tooLong) return refuse('clone_too_large', { limit: `${mostListBytes / 2 ** 20} MB of names of commits` })
  if (listed.exitCode !== 0) throw new Error(`rev-list failed: ${listed.stderr.slice(0, 2000)}`)
  const cut = await readFile(join(mirror, 'shallow'), 'latin1').catch(() => '')
  return done(windowOf(sha, depth, listed.stdout.toString('latin1'), new Set(cut.split('\n').filter(Boolean))))
}

/** The tags that lead to commits of the window, as the git host has them now; what they say themselves is fetched. */
async function bringTags(
  mirror: string,
  order: FetchOrder,
  url: CloneUrl,
  { commits }: Window,
): Promise<Outcome<Tag[]>> {
  const listed = await git(['ls-remote', '--tags', '--', url.url], {
    folder: mirror,
    remote: remoteOf(order, url),
    signal: order.signal,
    deadlineMs: order.limits.deadlineMs,
    maxBytes: mostTagBytes,
  })
  if (listed.exitCode !== 0 && !listed.tooLong) return { ok: false, reason: whyFetchFailed(listed, order, url).reason }
  const tags = readTags(listed.stdout.toString()).filter(({ id, commit }) => commits.has(commit ?? id))
  if (listed.tooLong || tags.length > mostTags) return refuse('clone_too_large', { limit: `${mostTags} tags` })
  const here = new Set(await readdir(join(mirror, 'refs/tag-objects')).catch(() => []))
  const missing = new Set(tags.flatMap(({ id, commit }) => (commit === undefined || here.has(id) ? [] : [id])))
  if (missing.size === 0) return done(tags)
  const fetched = await fetchRefs(mirror, order, url, {
    refs: [...missing].map((id) => `+${id}:refs/tag-objects/${id}`),
  })
  if (fetched.ok) return done(tags)
  if (fetched.reason.code !== 'commit_not_found') return { ok: false, reason: fetched.reason }
  const { host } = new URL(url.url)
  return { ok: false, reason: reason('git_unavailable', { host, detail: 'its tags were moved while they were read' }) }
}
