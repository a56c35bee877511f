import { mkdir, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { isRefName, parseSha } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import { fetchInto } from './fetch.ts'
import type { FetchOrder, Mirror } from './fetch-order.ts'
import { isSo } from './git.ts'
import { withLock } from './lock.ts'
import { prepare, remove, tidy } from './upkeep.ts'
import { type CloneUrl, checkCloneUrl } from './url.ts'

/**
 * Has exactly this commit in the repository's mirror: from an earlier fetch, without network, else from the git host, where only
 * what is new travels. A mirror that turns out broken is made anew, once.
 * @returns refused with sha_invalid, ref_invalid, url_not_allowed, commit_not_found, git_auth_failed, git_redirected,
 * git_unavailable, clone_too_large, disk_full or timeout
 */
export async function fetchCommit(order: FetchOrder): Promise<Outcome<Mirror>> {
  if (!parseSha(order.sha)) return refuse('sha_invalid')
  if (!isRefName(order.ref)) return refuse('ref_invalid', { ref: order.ref.slice(0, 80) })
  const folder = join(order.folder, order.repositoryId)
  if (await hasCommit(folder, order)) return done({ folder })
  return inMirror(folder, order, async (within, url) => {
    if (await hasCommit(folder, order)) return done({ folder })
    const fetched = await fetchLocked(folder, within, url, 1)
    if (!fetched.ok) return fetched
    return (await hasCommit(folder, order)) ? done({ folder }) : refuse('commit_not_found', { sha: order.sha })
  })
}

/** Does work on a mirror that no other process touches meanwhile, in what is left of the order's time once it is its turn. */
export async function inMirror<T>(
  folder: string,
  order: FetchOrder,
  work: (order: FetchOrder, url: CloneUrl) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  const url = await checkCloneUrl(order.url, order)
  if (!url.ok) return url
  await mkdir(order.folder, { recursive: true, mode: 0o700 })
  const late = AbortSignal.timeout(order.limits.deadlineMs)
  const startedMs = performance.now()
  try {
    return await withLock(`${folder}.lock`, AbortSignal.any([order.signal, late]), () => {
      const deadlineMs = Math.max(1, order.limits.deadlineMs - (performance.now() - startedMs))
      return work({ ...order, limits: { ...order.limits, deadlineMs } }, url.value)
    })
  } catch (error) {
    if (error !== late.reason || order.signal.aborted) throw error
    return refuse('timeout', { step: 'Checkout', seconds: order.limits.deadlineMs / 1000 })
  }
}

/** Fetches the commit, so deep, into a mirror whose lock is held. */
export async function fetchLocked(
  folder: string,
  order: FetchOrder,
  url: CloneUrl,
  depth: number,
): Promise<Outcome<void>> {
  await prepare(folder, order)
  order.onLine?.(`fetching ${depth === 1 ? '' : 'the history of '}${order.sha.slice(0, 12)} from ${url.origin}`)
  let fetched = await fetchInto(folder, order, url, depth)
  if (!fetched.ok && fetched.mirrorBroken) {
    order.onLine?.('the mirror is broken, so it is made anew')
    await remove(folder)
    await prepare(folder, order)
    fetched = await fetchInto(folder, order, url, depth)
  }
  if (!fetched.ok) return { ok: false, reason: fetched.reason }
  await tidy(folder, order)
  return done(undefined)
}

/** The ref is written after the whole fetch: an object alone may be what a killed fetch left. */
async function hasCommit(folder: string, { sha, signal }: FetchOrder): Promise<boolean> {
  const ref = join(folder, 'refs/taxiway', sha)
  if (!(await stat(ref).catch(() => undefined))) return false
  // In use again: upkeep goes by this time.
  await utimes(ref, new Date(), new Date()).catch(() => {})
  return isSo(['cat-file', '-e', `refs/taxiway/${sha}^{tree}`], { folder, signal })
}
