import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'
import { neededWork, type Run } from '@taxiway/domain/run/run.ts'
import { type Line, median, type Waiting, waitingOf } from '@taxiway/domain/run/waiting.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'
import type { Repositories } from '../repositories/repositories.ts'
import { parseRun, type Runs } from './runs.ts'

/** A chosen run that nobody has begun by then is chosen again. */
const chosenMs = 5000
/** A worker that has not been heard of for so long is gone. */
const aliveMs = 15_000
/** How long one look at all open runs serves, and how many runs tell what a run takes. */
const recentMs = 1000
const pastRuns = 20

/**
 * Whose turn it is. A job only wakes a worker; which run it takes is chosen here, by a look at all open runs: a millisecond or
 * two for a thousand of them.
 */
export function makeTurns(redis: Redis, runs: Runs, repositories: Repositories) {
  const choose = loadScript(redis, new URL('./take-turn.lua', import.meta.url))
  const readLine = recently((_: 'all') => lineOf(redis, runs, repositories))
  const runSeconds = recently((repo: RepositoryId) => secondsOf(runs, repo))
  return {
    /** Chooses the next run to build, for the caller to begin at once, and tells whether more wait; undefined when there is none to take. */
    async next(): Promise<{ run: Run; moreWait: boolean } | undefined> {
      const prefixes = [keys.run('' as RunId), keys.repository('' as RepositoryId)]
      const chosen = (await choose([keys.openRuns, keys.turns], [...prefixes, chosenMs])) as string[] | null
      const [doc = '', number = '', sequence = '', version = '', more = ''] = chosen ?? []
      const run = parseRun({ doc, number, sequence, version })
      return run && { run, moreWait: Number(more) > 0 }
    },

    /** Says that a builder is there, and how many runs it takes at a time: none while so little percent of its disk is free. */
    async announce(worker: string, slots: number, freePercent?: number): Promise<void> {
      const [nowMs, known] = await Promise.all([timeOf(redis), redis.hgetall(keys.builders)])
      const gone = Object.keys(known).filter((name) => !isAlive(known[name], nowMs))
      if (gone.length > 0) await redis.hdel(keys.builders, ...gone)
      const entry = freePercent === undefined ? `${nowMs}:${slots}` : `${nowMs}:0:${freePercent}`
      await redis.hset(keys.builders, worker, entry)
    },

    leave: async (worker: string): Promise<void> => void (await redis.hdel(keys.builders, worker)),

    /** Why the run waits to be built, as of the last second; undefined when it is in hand, over, or about to be taken. */
    async waiting(run: Run): Promise<Waiting | undefined> {
      if (run.holder || run.retryAt || neededWork(run) !== 'build') return undefined
      let line = await readLine('all')
      // It came in since.
      if (!line.runs.some(({ id }) => id === run.id)) line = await readLine('all', { anew: true })
      if (!waitingOf(run, line)) return undefined
      return waitingOf(run, line, await runSeconds(run.repo))
    },
  }
}

async function lineOf(redis: Redis, runs: Runs, repositories: Repositories): Promise<Line> {
  const [open, turns, builders, nowMs] = await Promise.all([
    runs.open(),
    redis.hgetall(keys.turns),
    redis.hgetall(keys.builders),
    timeOf(redis),
  ])
  const nowIs = Date.now()
  const building = open.filter(({ work, retryAtMs }) => work === 'build' && retryAtMs <= nowIs)
  const repos = [...new Set(building.map(({ repo }) => repo))]
  const limits = await Promise.all(repos.map(async (repo) => (await repositories.read(repo))?.maxRuns ?? 0))
  const alive = Object.values(builders).filter((text) => isAlive(text, nowMs))
  const [paused] = alive.map((text) => text.split(':')[2]).filter((percent) => percent !== undefined)
  return {
    runs: building,
    turns: new Map(Object.entries(turns).map(([repo, turn]) => [repo as RepositoryId, Number(turn)])),
    slots: alive.reduce((sum, text) => sum + Number(text.split(':')[1]), 0),
    ...(paused === undefined ? {} : { freePercent: Number(paused) }),
    limits: new Map(repos.map((repo, index) => [repo, limits[index] ?? 0])),
  }
}

/** What a run of the repository takes: the median of those that ended last. */
async function secondsOf(runs: Runs, repo: RepositoryId): Promise<number | undefined> {
  const past = await runs.list({ repo, limit: pastRuns, ended: true })
  const seconds = past.runs
    .filter(({ state, plan }) => (state === 'succeeded' || state === 'failed') && !plan?.ignored)
    .map(({ startedAt, finishedAt }) => (Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '')) / 1000)
    .filter((value) => value >= 0)
  return median(seconds)
}

/** Has the builder been heard of lately? Its entry is `<ms>:<slots>`, and `:<percent>` of free disk while that pauses it. */
const isAlive = (entry: string | undefined, nowMs: number): boolean =>
  nowMs - Number(entry?.split(':')[0] ?? 0) < aliveMs

async function timeOf(redis: Redis): Promise<number> {
  const [seconds, micros] = await redis.time()
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
}

/** One reading of a key for all who ask within a second; `anew` reads again. */
function recently<Key, T>(read: (key: Key) => Promise<T>) {
  const known = new Map<Key, { value: Promise<T>; atMs: number }>()
  return (key: Key, { anew = false } = {}): Promise<T> => {
    const last = known.get(key)
    if (!anew && last && performance.now() - last.atMs < recentMs) return last.value
    if (known.size > 1000) known.clear()
    const value = read(key)
    known.set(key, { value, atMs: performance.now() })
    value.catch(() => known.delete(key))
    return value
  }
}
