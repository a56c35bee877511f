import type { Logger } from '@taxiway/chassis/logger.ts'
import type { RunId } from '@taxiway/domain/ids.ts'
import { type Reason, reason } from '@taxiway/domain/reason.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import { hosts } from '@taxiway/git-host/hosts.ts'
import { Unreadable } from '@taxiway/store/access/secrets.ts'
import type { PostedStatus, SaidStatus } from '@taxiway/store/status/statuses.ts'
import type { Store } from '@taxiway/store/store.ts'
import { desiredStatuses } from './desired.ts'
import { subjectOf, worstOf } from './worst.ts'

export interface ReconcileDeps {
  store: Store
  url: string
  logger: Logger
  /** First pause before a failed post is tried again; doubles up to an hour. */
  retryBaseMs: number
}
/** Deadline of one post. */
const postMs = 10_000
const longestPauseMs = 3_600_000
/** Runs looked at in one pass, and how many at a time. */
const batch = 50

type Posted = { kind: 'done' } | { kind: 'later'; afterMs?: number; longestMs?: number; detail: string }

/**
 * One pass: every run that moved gets the git host to agree with it. Only the latest state of a context is sent: of runs for one
 * branch, tag or pull request that of the newest, and of several of these the worst.
 * @returns the pause until the next run is due, in milliseconds
 */
export function makeReconcile(deps: ReconcileDeps) {
  const failures = new Map<RunId, { tries: number; untilMs: number }>()
  return async function reconcileOnce(signal: AbortSignal): Promise<number | undefined> {
    const { ids, nextMs } = await deps.store.statuses.due(batch)
    const runs = (await Promise.all(ids.map((id) => deps.store.runs.read(id)))).filter((run) => run !== undefined)
    // Runs of one commit speak one after the other: what stands is the worst that they say.
    const ofCommit = Map.groupBy(runs, ({ repo, sha }) => `${repo}:${sha}`)
    await Promise.all(
      [...ofCommit.values()].map((some) =>
        inTurn(some, async (run) => {
          const { id } = run
          if (signal.aborted) return
          const posted = await agree(deps, run, signal).catch(unreadable)
          if (posted.kind === 'done') {
            failures.delete(id)
            return deps.store.statuses.settle(run)
          }
          // A run that moves meanwhile is posted at once; only a pause that was waited out makes the next one longer.
          const before = failures.get(id) ?? { tries: 0, untilMs: 0 }
          const nowMs = performance.now()
          const isWaitedOut = nowMs >= before.untilMs
          const backoffMs =
            Math.min(posted.longestMs ?? longestPauseMs, deps.retryBaseMs * 2 ** Math.min(before.tries, 20)) *
            (0.5 + Math.random() / 2)
          const pauseMs = Math.max(posted.afterMs ?? 0, isWaitedOut ? backoffMs : before.untilMs - nowMs)
          failures.set(id, { tries: before.tries + (isWaitedOut ? 1 : 0), untilMs: nowMs + pauseMs })
          deps.logger.info(
            { run: id, pauseMs: Math.round(pauseMs), detail: posted.detail },
            'status not taken yet, will try again',
          )
          await deps.store.statuses.later(id, pauseMs)
        }),
      ),
    )
    return ids.length === batch ? 0 : nextMs
  }
}

/** A token that this process has no key for holds back the statuses of its repository, and no others. */
function unreadable(error: unknown): Posted {
  if (error instanceof Unreadable) return { kind: 'later', detail: error.message }
  throw error
}

/** Posts what differs, context by context. */
async function agree(deps: ReconcileDeps, run: Run, signal: AbortSignal): Promise<Posted> {
  const { repositories, statuses, runs } = deps.store
  const repository = await repositories.read(run.repo)
  if (!repository) return { kind: 'done' }
  const account = { apiUrl: repository.apiUrl, token: await repositories.token(run.repo) }
  if (!account.token) return { kind: 'done' }
  const { posted, said } = await statuses.posted(run.repo, run.sha)
  const targetUrl = `${deps.url}/runs/${run.id}`
  const subject = subjectOf(run)
  // Told once: each further move in line would cost the git host a request.
  const waiting = run.state === 'queued' && run.attempt === 1 ? await deps.store.turns.waiting(run) : undefined
  for (const wanted of desiredStatuses(run, waiting)) {
    const { context } = wanted
    const all = said.get(context) ?? new Map<string, SaidStatus>()
    const last = posted.get(context)
    // An older run says nothing any more.
    if ((all.get(subject)?.sequence ?? 0) > run.sequence) continue
    if (last && all.size === 0 && last.sequence > run.sequence) continue
    const { state, description, weight } = wanted
    const mine = { sequence: run.sequence, state, description, targetUrl, weight, isTrusted: run.trusted !== false }
    if (JSON.stringify(all.get(subject)) !== JSON.stringify(mine))
      await statuses.say(run.repo, run.sha, context, subject, mine)
    const worst = worstOf([...all.set(subject, mine).values()]) ?? mine
    if (last && same(last, worst)) continue
    const answer = await hosts[repository.host].postStatus(
      account,
      {
        repository: repository.name,
        sha: run.sha,
        context,
        state: worst.state,
        description: worst.description,
        targetUrl: worst.targetUrl,
      },
      { signal: AbortSignal.any([signal, AbortSignal.timeout(postMs)]) },
    )
    switch (answer.kind) {
      case 'posted':
        await statuses.savePosted(run.repo, run.sha, context, worst)
        break
      case 'refused':
        await noteOnce(runs, run, reason('status_undeliverable', { detail: answer.detail }))
        return { kind: 'done' }
      case 'unauthorized':
        return { kind: 'later', detail: 'the git host refused the token', longestMs: deps.retryBaseMs * 60 }
      case 'retry':
        return {
          kind: 'later',
          detail: answer.detail,
          ...(answer.afterMs === undefined ? {} : { afterMs: answer.afterMs }),
        }
      default:
        answer satisfies never
    }
  }
  return { kind: 'done' }
}

/** The note is an event, which makes the run due again: telling it twice would never end. */
async function noteOnce(runs: Store['runs'], run: Run, why: Reason): Promise<void> {
  if (!run.notes?.some((note) => note.code === why.code && note.message === why.message))
    await runs.move(run.id, { type: 'noted', reason: why })
}

const same = (last: PostedStatus, wanted: PostedStatus) =>
  last.state === wanted.state && last.description === wanted.description && last.targetUrl === wanted.targetUrl

async function inTurn<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (const item of items) await work(item)
}
