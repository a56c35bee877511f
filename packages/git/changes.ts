import { join } from 'node:path'
import type { Sha } from '@taxiway/domain/ids.ts'
import { fetchRefs } from './fetch.ts'
import type { FetchOrder } from './fetch-order.ts'
import { git, isSo } from './git.ts'
import { withLock } from './lock.ts'
import { fetchCommit } from './mirror.ts'
import { checkCloneUrl } from './url.ts'

const localMs = 60_000
/** More names than fit into this are as good as all. */
const mostBytes = 4 * 2 ** 20
/** How many commits back of both sides the one is looked for that they share. */
const depths = [20, 300]

/** What a commit is compared with: where its branch was before, or where it left another branch. */
export type ChangedSince = { before: Sha } | { base: string }

/**
 * The files that differ between a commit that the mirror has and what it was made from. What that takes of the history is fetched.
 * @returns undefined when it can't be told: then everything may have changed
 */
export async function changedFiles(order: FetchOrder, since: ChangedSince): Promise<string[] | undefined> {
  const from = 'before' in since ? await fetchBefore(order, since.before) : await fetchBase(order, since.base)
  if (!from) return undefined
  const args = ['diff-tree', '-r', '-z', '--name-only', '--no-renames', '--end-of-options', from, order.sha]
  const told = await git(args, { ...localCall(order), maxBytes: mostBytes })
  return told.exitCode === 0 && !told.tooLong ? told.stdout.toString().split('\0').filter(Boolean) : undefined
}

const folderOf = ({ folder, repositoryId }: FetchOrder) => join(folder, repositoryId)
const localCall = (order: FetchOrder) => ({ folder: folderOf(order), signal: order.signal, deadlineMs: localMs })

async function fetchBefore(order: FetchOrder, before: Sha): Promise<string | undefined> {
  const fetched = await fetchCommit({ ...order, sha: before })
  return fetched.ok ? before : undefined
}

/** Where the commit left the branch: what both share, looked for further and further back. */
async function fetchBase(order: FetchOrder, base: string): Promise<string | undefined> {
  const folder = folderOf(order)
  const url = await checkCloneUrl(order.url, order)
  if (!url.ok) return undefined
  return withLock(`${folder}.lock`, order.signal, async () => {
    for (const depth of depths) {
      const tip = await fetchRefs(folder, order, url.value, { depth, refs: [`+refs/heads/${base}:refs/branch/base`] })
      const head = await fetchRefs(folder, order, url.value, {
        depth,
        refs: [`+${order.sha}:refs/taxiway/${order.sha}`],
      })
      if (!tip.ok || !head.ok) return undefined
      const shared = await git(['merge-base', 'refs/branch/base', order.sha], localCall(order))
      if (shared.exitCode === 0) return shared.stdout.toString().trim()
    }
    return undefined
  })
}

/**
 * Does the history of another commit have this one, which the mirror has? What that takes is fetched. False when it is that commit,
 * or can't be told.
 */
export async function isBefore(order: FetchOrder, other: Sha): Promise<boolean> {
  const folder = folderOf(order)
  const url = await checkCloneUrl(order.url, order)
  if (!url.ok || other === order.sha) return false
  return withLock(`${folder}.lock`, order.signal, async () => {
    for (const depth of depths) {
      const refs = [`+${other}:refs/taxiway/${other}`]
      const fetched = await fetchRefs(folder, order, url.value, { depth, refs })
      if (!fetched.ok) return false
      const asked = ['merge-base', '--is-ancestor', order.sha, other]
      if (await isSo(asked, { folder, signal: order.signal })) return true
    }
    return false
  })
}
