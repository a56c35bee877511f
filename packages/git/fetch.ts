import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { done, type Reason, reason } from '@taxiway/domain/reason.ts'
import { type FetchFailure, whyFetchFailed } from './fetch-failure.ts'
import type { FetchOrder } from './fetch-order.ts'
import { git, isSo } from './git.ts'
import { removeLeftovers, sizeOf } from './upkeep.ts'
import type { CloneUrl } from './url.ts'

const sizeCheckMs = 250
const localMs = 30_000
const mostTraceBytes = 64 * 1024
/** How far back a branch is looked through on servers that give no commit by its name. */
const branchDepth = 200
/** As deep as there are commits (git-scm.com/docs/git-fetch, --depth). */
export const wholeDepth = 0x7fffffff
const fetchArgs = ['--quiet', '--no-tags', '--no-write-fetch-head', '--no-auto-gc', '--no-recurse-submodules']

type Fetched = { ok: true; value: undefined } | ({ ok: false } & FetchFailure)
const failed = (why: Reason): Fetched => ({ ok: false, reason: why, mirrorBroken: false })

/** Fetches the commit and what came before it, `depth` commits deep. Servers that refuse to give a commit by its name are asked for the branch. */
export async function fetchInto(folder: string, order: FetchOrder, url: CloneUrl, depth: number): Promise<Fetched> {
  const { sha } = order
  const byName = await fetchRefs(folder, order, url, { depth, refs: [`+${sha}:refs/taxiway/${sha}`] })
  if (byName.ok || byName.reason.code !== 'commit_not_found') return byName
  const deeper = Math.min(depth + branchDepth, wholeDepth)
  const byBranch = await fetchRefs(folder, order, url, { depth: deeper, refs: [`+${order.ref}:refs/branch/tip`] })
  if (!byBranch.ok) return byBranch
  const call = { folder, signal: order.signal, deadlineMs: localMs }
  if (!(await isSo(['merge-base', '--is-ancestor', sha, 'refs/branch/tip'], { folder, signal: order.signal })))
    return failed(reason('commit_not_found', { sha }))
  await git(['update-ref', `refs/taxiway/${sha}`, sha], call)
  return done(undefined)
}

/** Fetches these refspecs, so many commits of each (else all that is missing), within the order's limits. */
export async function fetchRefs(
  folder: string,
  order: FetchOrder,
  url: CloneUrl,
  { depth, refs }: { depth?: number; refs: string[] },
): Promise<Fetched> {
  const { maxMb, deadlineMs } = order.limits
  const sizeBefore = await sizeOf(folder)
  const isTooLarge = async () => (await sizeOf(folder)) - sizeBefore > maxMb * 2 ** 20
  const tooLarge = new AbortController()
  const watch = setInterval(async () => (await isTooLarge()) && tooLarge.abort(), sizeCheckMs)
  let isWhole = false
  const trace = join(folder, 'trace')
  try {
    const deep = depth === undefined ? [] : [`--depth=${depth}`]
    const fetched = await git(['fetch', ...fetchArgs, ...deep, '--stdin', '--', url.url], {
      folder,
      input: refs.map((ref) => `${ref}\n`).join(''),
      remote: remoteOf(order, url),
      deadlineMs,
      // Of headers only, and without those that say who we are (GIT_TRACE_REDACT).
      environment: { GIT_TRACE_CURL: trace, GIT_TRACE_CURL_NO_DATA: '1' },
      signal: AbortSignal.any([order.signal, tooLarge.signal]),
    })
    if (fetched.exitCode !== 0) {
      const answers = await tailOf(trace)
      return { ok: false, ...whyFetchFailed({ ...fetched, answers }, order, url) }
    }
    isWhole = !(await isTooLarge())
    if (isWhole) return done(undefined)
  } catch (error) {
    if (!tooLarge.signal.aborted || order.signal.aborted) throw error
  } finally {
    clearInterval(watch)
    await rm(trace, { force: true })
    // A fetch that was cut off, or found no room, gives back what it has taken.
    if (!isWhole) await removeLeftovers(folder, { loose: true })
  }
  await git(['update-ref', '-d', `refs/taxiway/${order.sha}`], { folder, signal: order.signal, deadlineMs: localMs })
  return failed(reason('clone_too_large', { limitMb: maxMb }))
}

/** The git host of an order, as whom it is asked. */
export const remoteOf = ({ token }: FetchOrder, { origin, pin }: CloneUrl) => ({
  origin,
  ...(token ? { token } : {}),
  ...(pin ? { pin } : {}),
})

/** The end of a file that the other side had a part in writing; nothing, if it is not there. */
async function tailOf(path: string): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return ''
  try {
    const { size } = await file.stat()
    const bytes = Buffer.alloc(Math.min(size, mostTraceBytes))
    await file.read(bytes, 0, bytes.length, size - bytes.length)
    return bytes.toString()
  } finally {
    await file.close()
  }
}
