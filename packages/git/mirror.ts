import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isRefName, parseSha, type RepositoryId, type Sha } from '@taxiway/domain/ids.ts'
import { done, type Outcome, oneLine, refuse } from '@taxiway/domain/reason.ts'
import { git } from './git.ts'
import { type CloneUrl, checkCloneUrl } from './url.ts'

/** A kept bare repository that has the commit. */
export interface Mirror {
  folder: string
}
export interface FetchOrder {
  /** Folder of all mirrors. */
  folder: string
  repositoryId: RepositoryId
  url: string
  token?: string
  sha: Sha
  /** The ref that pointed at the commit, for servers that give nothing else. */
  ref: string
  limits: { maxMb: number; deadlineMs: number }
  allowedOrigins: readonly string[]
  signal: AbortSignal
  onLine?(line: string): void
}
const sizeCheckMs = 500
/** A lock file that old belongs to a git that died. */
const staleLockMs = 10 * 60_000
const localMs = 30_000
/** Fetches into one mirror go one after another. */
const queues = new Map<string, Promise<unknown>>()

/** Has exactly this commit in the repository's mirror: from an earlier fetch, else from the git host, where only what is new travels. */
export async function fetchCommit(order: FetchOrder): Promise<Outcome<Mirror>> {
  if (!parseSha(order.sha)) return refuse('sha_invalid')
  if (!isRefName(order.ref)) return refuse('ref_invalid', { ref: order.ref.slice(0, 80) })
  const folder = join(order.folder, order.repositoryId)
  const before = queues.get(folder) ?? Promise.resolve()
  const mine = before.catch(() => {}).then(() => ensure(folder, order))
  queues.set(folder, mine)
  try {
    return await mine
  } finally {
    if (queues.get(folder) === mine) queues.delete(folder)
  }
}

async function ensure(folder: string, order: FetchOrder): Promise<Outcome<Mirror>> {
  if (await hasCommit(folder, order)) return done({ folder })
  const url = await checkCloneUrl(order.url, order)
  if (!url.ok) return url
  await prepare(folder, order)
  order.onLine?.(`fetching ${order.sha.slice(0, 12)} from ${url.value.origin}`)
  // Asked for by name first: the exact commit, shallow. Servers that refuse that give the branch.
  const byCommit = await fetchOne(folder, order, url.value, order.sha)
  if (byCommit.ok || byCommit.reason.code !== 'commit_not_found') return byCommit
  const byBranch = await fetchOne(folder, order, url.value, order.ref)
  if (!byBranch.ok) return byBranch
  return (await hasCommit(folder, order)) ? done({ folder }) : refuse('commit_not_found', { sha: order.sha })
}

async function hasCommit(folder: string, { sha, signal }: FetchOrder): Promise<boolean> {
  if (!(await stat(join(folder, 'HEAD')).catch(() => undefined))) return false
  // The ref is written after the whole fetch: an object alone may be what a killed fetch left.
  const found = await git(['rev-parse', '--verify', '--quiet', '--end-of-options', `refs/taxiway/${sha}`], {
    folder,
    signal,
    deadlineMs: localMs,
  })
  return found.exitCode === 0
}

async function prepare(folder: string, { signal }: FetchOrder): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (!(await stat(join(folder, 'HEAD')).catch(() => undefined)))
    await git(['init', '--bare', '--quiet', '--template=', '.'], { folder, signal, deadlineMs: localMs })
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.lock')) continue
    const file = await stat(join(folder, name)).catch(() => undefined)
    if (file && Date.now() - file.mtimeMs > staleLockMs) await rm(join(folder, name), { force: true })
  }
}

async function fetchOne(folder: string, order: FetchOrder, url: CloneUrl, what: string): Promise<Outcome<Mirror>> {
  const tooLarge = new AbortController()
  const maxBytes = order.limits.maxMb * 2 ** 20
  const watch = setInterval(async () => {
    if ((await sizeOf(folder)) > maxBytes) tooLarge.abort()
  }, sizeCheckMs)
  const remote = {
    origin: url.origin,
    ...(order.token ? { token: order.token } : {}),
    ...(url.pin ? { pin: url.pin } : {}),
  }
  const target = what === order.sha ? `+${what}:refs/taxiway/${order.sha}` : what
  try {
    const fetched = await git(
      [
        'fetch',
        '--quiet',
        '--no-tags',
        '--no-write-fetch-head',
        '--no-recurse-submodules',
        '--depth=1',
        '--',
        url.url,
        target,
      ],
      { folder, remote, deadlineMs: order.limits.deadlineMs, signal: AbortSignal.any([order.signal, tooLarge.signal]) },
    )
    if (fetched.exitCode === 0) return done({ folder })
    return judge(fetched, order, new URL(url.url).host)
  } catch (error) {
    if (!tooLarge.signal.aborted || order.signal.aborted) throw error
    await rm(folder, { recursive: true, force: true })
    return refuse('clone_too_large', { limitMb: order.limits.maxMb })
  } finally {
    clearInterval(watch)
  }
}

/** What git's words mean. The patterns are those of git's own messages and of the usual servers'. */
function judge(fetched: { stderr: string; timedOut: boolean }, order: FetchOrder, host: string): Outcome<never> {
  const { stderr } = fetched
  if (fetched.timedOut) return refuse('timeout', { step: 'Checkout', seconds: order.limits.deadlineMs / 1000 })
  if (/not our ref|couldn't find remote ref|unadvertised object|no such remote ref/i.test(stderr))
    return refuse('commit_not_found', { sha: order.sha })
  if (/returned error: 30\d|redirect/i.test(stderr)) return refuse('git_redirected', { host })
  if (
    /Authentication failed|could not read (Username|Password)|returned error: 40[13]|terminal prompts disabled/i.test(
      stderr,
    )
  )
    return refuse('git_auth_failed', { host })
  if (/No space left/i.test(stderr)) return refuse('disk_full', { where: 'the builder' })
  const last = stderr.split('\n').findLast((line) => /^(fatal|error|remote):/.test(line)) ?? stderr
  return refuse('git_unavailable', {
    host,
    detail: oneLine(last.replace(/^(fatal|error|remote): /, ''), 200).replace(/\.$/, '') || 'git failed without a word',
  })
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(join(folder, 'objects'), { recursive: true, withFileTypes: true }).catch(() => []))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0
  return bytes
}
