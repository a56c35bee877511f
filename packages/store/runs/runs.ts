import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'
import { done, type Outcome, refuse } from '@taxiway/domain/reason.ts'
import type { RunEvent } from '@taxiway/domain/run/event.ts'
import { moveRun } from '@taxiway/domain/run/move.ts'
import { isTerminal, type NewRun, neededWork, type Run, type RunState } from '@taxiway/domain/run/run.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'
import { makeLanes } from '../redis/several.ts'

/** How long a delivery id is remembered: GitHub redelivers for 3 days. */
const deliveryMs = 7 * 24 * 3_600_000
/** More of a delivery's body than this is not kept. */
const keptBodyBytes = 64 * 1024

/** A delivery as it came. */
export interface Delivery {
  id: string
  headers: Record<string, string>
  body: Buffer
}
/** Who may write: one attempt in the hands of one holder. */
export interface Fence {
  attempt: number
  holder: string
}
/** Writes only while nobody holds the run, at this attempt. */
export interface Unheld {
  attempt: number
  holder?: undefined
}
/** An open run at a glance. */
export interface OpenRun {
  id: RunId
  version: number
  /** Somebody has it in hand, */
  isHeld: boolean
  /** and has lately said so. */
  isLeased: boolean
  repo: RepositoryId
  sequence: number
  /** Which worker it needs; none while it waits at a gate. */
  work: 'build' | 'deploy' | undefined
  /** Nobody takes it before (ms); 0 when it has not to wait. */
  retryAtMs: number
}
export type Accepted =
  | { kind: 'accepted'; run: Run }
  | { kind: 'duplicate'; runId: RunId }
  | { kind: 'repository_gone' }
export interface RunFilter {
  repo?: RepositoryId | undefined
  branch?: string | undefined
  sha?: string | undefined
  state?: RunState | undefined
  /** Only runs that have ended. */
  ended?: boolean
  /** Only runs with a smaller sequence. */
  before?: number | undefined
  limit: number
}
export type Runs = ReturnType<typeof makeRuns>

const fenceText = (run: { attempt: number; holder?: string }) => (run.holder ? `${run.attempt}:${run.holder}` : '')

/** The record of runs. All calls reject when Redis is away; `redisFault` says what that means. */
export function makeRuns(redis: Redis, now: () => Date, leaseMs = 10_000) {
  const read = async (id: RunId): Promise<Run | undefined> => parseRun(await redis.hgetall(keys.run(id)))
  const accept = makeLanes(redis, new URL('./accept-delivery.lua', import.meta.url))
  const move = makeMove(redis, read, now, leaseMs)
  const renew = loadScript(redis, new URL('./renew-lease.lua', import.meta.url))

  return {
    read,
    move,
    /** A worker that has not renewed its lease for so long is lost. */
    leaseMs,

    /** Takes a delivery and the run it makes into the record, once, in one atomic step. */
    async accept(run: NewRun, delivery: Delivery): Promise<Accepted> {
      const answer = (await accept.call(
        [
          keys.delivery(run.repo, delivery.id),
          keys.repository(run.repo),
          keys.runNumber(run.repo),
          keys.sequence,
          keys.run(run.id),
          keys.events,
          keys.runs,
          keys.runsOf(run.repo),
          keys.runsOfSha(run.sha),
          keys.openRuns,
          keys.statusDue,
        ],
        [
          run.id,
          JSON.stringify(run),
          JSON.stringify(delivery.headers),
          delivery.body.subarray(0, keptBodyBytes),
          deliveryMs,
          JSON.stringify({ type: 'accepted' }),
          run.repo,
          neededWork(run) ?? '',
        ],
      )) as [number, string | number, number]
      if (answer[0] === 0) return { kind: 'duplicate', runId: answer[1] as RunId }
      if (answer[0] === 2) return { kind: 'repository_gone' }
      return { kind: 'accepted', run: { ...run, number: Number(answer[1]), sequence: Number(answer[2]), version: 1 } }
    },

    /** Keeps the lease of an attempt. @returns false when the run is somebody else's by now */
    async renewLease(id: RunId, fence: Fence): Promise<boolean> {
      return (await renew([keys.run(id), keys.lease(id)], [fenceText(fence), fence.holder, leaseMs])) === 1
    },

    /** All runs that have not ended, with no more than it takes to see whether somebody works on them. */
    open: () => readOpen(redis),

    /** The open runs of one repository, whole, oldest first. */
    async openOf(repo: RepositoryId): Promise<Run[]> {
      const ids = (await readOpen(redis)).filter((one) => one.repo === repo).map(({ id }) => id)
      return (await readAll(redis, ids)).sort((a, b) => a.sequence - b.sequence)
    },

    /** The newest runs of a repository that came in after a sequence, a hundred at most, oldest first. */
    async after(repo: RepositoryId, sequence: number): Promise<Run[]> {
      const ids = await redis.zrevrangebyscore(keys.runsOf(repo), '+inf', `(${sequence}`, 'LIMIT', 0, 100)
      return (await readAll(redis, ids as RunId[])).reverse()
    },

    /** The newest runs of the branch that a run was pushed to, itself among them, a hundred at most; none for one that was not pushed. */
    async pushesOf({ event, repo, branch }: Run): Promise<Run[]> {
      return event === 'push' ? (await listRuns(redis, { repo, branch, limit: 100 })).runs : []
    },

    list: (filter: RunFilter) => listRuns(redis, filter),

    close: () => accept.close(),
  }
}

/** A run as its hash in Redis holds it. */
export function parseRun(hash: Record<string, string>): Run | undefined {
  if (!hash.doc) return undefined
  return {
    ...JSON.parse(hash.doc),
    number: Number(hash.number),
    sequence: Number(hash.sequence),
    version: Number(hash.version),
  }
}

async function readAll(redis: Redis, ids: RunId[]): Promise<Run[]> {
  if (ids.length === 0) return []
  const pipeline = redis.pipeline()
  for (const id of ids) pipeline.hgetall(keys.run(id))
  const answers = (await pipeline.exec()) ?? []
  return answers.flatMap(([error, hash]) => {
    if (error) throw error
    return parseRun(hash as Record<string, string>) ?? []
  })
}

/** Runs, newest first. `next` is the sequence to go on before, when there may be more. */
async function listRuns(redis: Redis, filter: RunFilter): Promise<{ runs: Run[]; next?: number }> {
  const index = filter.sha ? keys.runsOfSha(filter.sha) : filter.repo ? keys.runsOf(filter.repo) : keys.runs
  const runs: Run[] = []
  let before = filter.before
  for (let page = 0; page < 20; page++) {
    const ids = await redis.zrevrangebyscore(
      index,
      before === undefined ? '+inf' : `(${before}`,
      '-inf',
      'LIMIT',
      0,
      100,
    )
    for (const run of await readAll(redis, ids as RunId[])) {
      before = run.sequence
      const fits =
        (!filter.repo || run.repo === filter.repo) &&
        (!filter.branch || run.branch === filter.branch) &&
        (!filter.state || run.state === filter.state) &&
        (!filter.ended || isTerminal(run.state))
      if (fits) runs.push(run)
      if (runs.length === filter.limit) return { runs, next: before }
    }
    if (ids.length < 100) return { runs }
  }
  return before === undefined ? { runs } : { runs, next: before }
}

/**
 * Reads, moves by `event`, or by several in one step, and sets if nobody wrote meanwhile; with a fence, only while the
 * writer still holds the run. Who knows the run already saves the first reading: what is known is tried, and read anew only
 * if it is out of date.
 */
function makeMove(redis: Redis, read: (id: RunId) => Promise<Run | undefined>, now: () => Date, leaseMs: number) {
  const write = loadScript(redis, new URL('./move-run.lua', import.meta.url))
  return async function move(
    id: RunId,
    event: RunEvent | readonly RunEvent[],
    fence?: Fence | Unheld,
    known?: Run,
  ): Promise<Outcome<Run>> {
    const events = [event].flat()
    for (let tries = 0; tries < 50; tries++) {
      const run = tries === 0 && known ? known : await read(id)
      if (!run) return refuse('not_found', { what: 'run' })
      if (fence && (run.attempt !== fence.attempt || run.holder !== fence.holder))
        return refuse('fenced', { attempt: fence.attempt, current: run.attempt })
      const moved = moveThrough(run, events, now().toISOString())
      if (!moved.ok) return moved
      const next = moved.value
      if (next.sha !== run.sha) await redis.zadd(keys.runsOfSha(next.sha), run.sequence, id)
      const lease = events[0]?.type === 'attempt_started' ? 'take' : run.holder && !next.holder ? 'drop' : 'keep'
      const written = await write(
        [keys.run(id), keys.events, keys.openRuns, keys.statusDue, keys.lease(id)],
        [
          id,
          run.version,
          JSON.stringify(next),
          next.state,
          fenceText(next),
          isTerminal(next.state) ? '1' : '0',
          lease,
          next.holder ?? '',
          leaseMs,
          neededWork(next) ?? '',
          next.retryAt === undefined ? '' : Date.parse(next.retryAt),
          ...events.map((one) => JSON.stringify(one)),
        ],
      )
      if (written === 1) return done({ ...next, version: run.version + events.length })
      if (written === -1) return refuse('fenced', { attempt: run.attempt, current: run.attempt })
    }
    throw new Error(`run ${id} is written by too many at a time`)
  }
}

/** Where the events lead, or why one of them is refused. */
function moveThrough(run: Run, events: readonly RunEvent[], at: string): Outcome<Run> {
  let next = run
  for (const event of events) {
    const moved = moveRun(next, event, at)
    if (!moved.ok) return moved
    next = moved.value
  }
  return done(next)
}

/** Runs asked about in one go. */
const openPage = 500

async function readOpen(redis: Redis): Promise<OpenRun[]> {
  const ids = (await redis.smembers(keys.openRuns)) as RunId[]
  const open: OpenRun[] = []
  for (let at = 0; at < ids.length; at += openPage) {
    const page = ids.slice(at, at + openPage)
    const pipeline = redis.pipeline()
    for (const id of page)
      pipeline.hmget(keys.run(id), 'version', 'fence', 'repo', 'sequence', 'work', 'retryAt').exists(keys.lease(id))
    const answers = ((await pipeline.exec()) ?? []).map(([error, value]) => {
      if (error) throw error
      return value
    })
    page.forEach((id, index) => {
      const [version, fence, repo, sequence, work, retryAt] = answers[index * 2] as (string | null)[]
      if (version == null) return
      open.push({
        id,
        version: Number(version),
        isHeld: Boolean(fence),
        isLeased: answers[index * 2 + 1] === 1,
        repo: repo as RepositoryId,
        sequence: Number(sequence),
        work: work === '' ? undefined : work === 'deploy' ? work : 'build',
        retryAtMs: Number(retryAt ?? 0),
      })
    })
  }
  return open
}
