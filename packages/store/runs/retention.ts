import { setTimeout as sleep } from 'node:timers/promises'
import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'
import { isTerminal, type Run } from '@taxiway/domain/run/run.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'
import type { Runs } from './runs.ts'

/** What kept releases are made of. */
export interface InUse {
  runs: Set<RunId>
  digests: Set<string>
}

/** Runs looked at in one step, with a rest after each: others are served in between. */
const page = 100
const restMs = 20
const digestPattern = /sha256:[0-9a-f]{64}/g

/** Every digest that a text names. */
export const digestsIn = (text: string): string[] => text.match(digestPattern) ?? []

/** Finds and forgets what is too old to keep. Everything goes in small steps. */
export function makeRetention(redis: Redis, runs: Runs) {
  const remove = loadScript(redis, new URL('./remove-run.lua', import.meta.url))
  return {
    /** What the kept releases of all environments are made of. */
    async inUse(): Promise<InUse> {
      const found: InUse = { runs: new Set(), digests: new Set() }
      let cursor = '0'
      do {
        const [next, names] = await redis.scan(cursor, 'MATCH', keys.releases('*' as RepositoryId, '*'), 'COUNT', 500)
        cursor = next
        for (const name of names)
          for (const text of await redis.hvals(name)) {
            // Objects are kept beside the releases that have them.
            const { runId } = JSON.parse(text) as { runId?: RunId }
            if (runId) found.runs.add(runId)
            for (const digest of digestsIn(text)) found.digests.add(digest)
          }
      } while (cursor !== '0')
      return found
    },

    /** Ended runs from before that time, oldest first. */
    async *oldRuns(before: Date): AsyncGenerator<Run> {
      let after = '-inf'
      for (;;) {
        const found = await redis.zrangebyscore(keys.runs, after, '+inf', 'WITHSCORES', 'LIMIT', 0, page)
        for (let index = 0; index < found.length; index += 2) {
          after = `(${found[index + 1]}`
          const run = await runs.read(found[index] as RunId)
          if (!run) continue
          // Runs stand in the order of their intake.
          if (Date.parse(run.createdAt) >= before.getTime()) return
          if (isTerminal(run.state)) yield run
        }
        if (found.length < 2 * page) return
        await sleep(restMs)
      }
    },

    /** Is the run one of the newest so many of its repository? */
    async isAmongNewest(run: Run, count: number): Promise<boolean> {
      const rank = await redis.zrevrank(keys.runsOf(run.repo), run.id)
      return rank !== null && rank < count
    },

    /** Images of this run are not in the registry any more. */
    markUnpublished: async (id: RunId): Promise<void> => void (await redis.hset(keys.run(id), 'unpublished', '1')),
    isUnpublished: async (id: RunId): Promise<boolean> => (await redis.hget(keys.run(id), 'unpublished')) === '1',

    /** Forgets a run that has ended. @returns false when it is open, or was written meanwhile */
    async remove(run: Run): Promise<boolean> {
      const removed = await remove(
        [
          keys.run(run.id),
          keys.openRuns,
          keys.runs,
          keys.runsOf(run.repo),
          keys.runsOfSha(run.sha),
          keys.statusDue,
          keys.statusPosted(run.repo, run.sha),
          keys.log(run.id),
          keys.lease(run.id),
          keys.provenance(run.id),
          keys.diffs(run.id),
        ],
        [run.id, run.version],
      )
      return removed === 1
    },

    /** One at a time over all processes. @returns false when another is at it */
    async holdPruning(holder: string, leaseMs: number): Promise<boolean> {
      return (await redis.set(keys.pruning, holder, 'PX', leaseMs, 'NX')) === 'OK'
    },
    leavePruning: async (holder: string): Promise<void> => {
      if ((await redis.get(keys.pruning)) === holder) await redis.del(keys.pruning)
    },
  }
}
