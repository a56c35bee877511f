import type { Part } from '@taxiway/chassis/lifecycle.ts'
import { startReconciler } from '@taxiway/chassis/reconciler.ts'
import { hosts } from '@taxiway/git-host/hosts.ts'
import type { Preview, PreviewRef } from '@taxiway/store/environments/previews.ts'
import type { WatchDeps } from '../roll-out.ts'
import { makeSweepOrphans } from './orphans.ts'
import { removePreview } from './remove.ts'

/** How late a preview is looked at that is due. */
const sweepMs = 2_000
const orphansMs = 10 * 60_000
/** How long the git host is asked. */
const askMs = 10_000

/**
 * Holds every preview against its pull request, again and again, and removes what is over. Deployers share them: each preview is
 * taken by one. They don't wait for each other, so one that can't be removed holds up no other.
 */
export function sweepPreviews(deps: WatchDeps): Part {
  const { store, logger } = deps
  const underWay = new Set<Promise<void>>()
  const pass = async (signal: AbortSignal) => {
    for (const ref of await store.previews.take()) {
      const look = lookAt(deps, ref, signal).catch((error) => {
        if (!signal.aborted) logger.warn({ err: error, environment: ref.environment }, 'could not look at a preview')
      })
      underWay.add(look)
      void look.finally(() => underWay.delete(look))
    }
  }
  const sweep = startReconciler(pass, { name: 'previews', everyMs: sweepMs, logger })
  const orphans = startReconciler(makeSweepOrphans(deps), { name: 'orphan-previews', everyMs: orphansMs, logger })
  return {
    name: 'previews',
    async stop() {
      await Promise.all([sweep.stop(), orphans.stop()])
      await Promise.all(underWay)
    },
  }
}

async function lookAt(deps: WatchDeps, { repo, environment }: PreviewRef, signal: AbortSignal): Promise<void> {
  const preview = await deps.store.previews.read(repo, environment)
  if (!preview) return
  if ((await deps.targets.elsewhere(repo, preview.cluster, preview.target)) !== undefined)
    return deps.store.previews.lookSoon(repo, preview.number)
  const why = await whyOver(deps, preview, signal)
  if (why !== undefined) await removePreview(deps, preview, why, signal)
}

/** Why the preview is to go; undefined when it is not, or when nobody can tell now. */
export async function whyOver(
  { store, logger }: Pick<WatchDeps, 'store' | 'logger'>,
  { repo, number, environment, updatedAt, ttlMs }: Preview,
  signal: AbortSignal,
): Promise<string | undefined> {
  const repository = await store.repositories.read(repo)
  if (!repository) return 'its repository is not registered any more'
  if (Date.parse(updatedAt) + ttlMs <= store.now().getTime()) return 'its time is over'
  const account = { apiUrl: repository.apiUrl, token: await store.repositories.token(repo) }
  const options = { signal: AbortSignal.any([signal, AbortSignal.timeout(askMs)]) }
  const open = await hosts[repository.host].isPullRequestOpen(account, repository.name, number, options)
  if (open.ok) return open.value ? undefined : `pull request ${number} is closed`
  signal.throwIfAborted()
  logger.warn({ repo, environment, reason: open.reason }, 'a preview could not be held against its pull request')
  return undefined
}
