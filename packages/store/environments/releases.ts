import { createHash } from 'node:crypto'
import { fromStored, type ListedRelease, namesIn, type Release, toStored } from '@taxiway/domain/environment/release.ts'
import type { RepositoryId, RunId } from '@taxiway/domain/ids.ts'
import { reason } from '@taxiway/domain/reason.ts'
import type { ReleaseState } from '@taxiway/domain/run/parts.ts'
import type { Run } from '@taxiway/domain/run/run.ts'
import type { Redis } from '../redis/connection.ts'
import { keys } from '../redis/keys.ts'
import { loadScript } from '../redis/script.ts'

/** Older releases than this many are forgotten. */
const keptReleases = 50

/** Texts of objects by their names. */
type Objects = Readonly<Record<string, string | null | undefined>>

/** An object is kept once, whichever releases have it, under the digest of its content. */
const nameOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
const isGeneration = (field: string): boolean => /^\d+$/.test(field)

function parse(text: string, objects: Objects): Release {
  const release = JSON.parse(text)
  return { ...release, order: fromStored(release.order, (name) => JSON.parse(objects[name] ?? 'null')) }
}

/** One that can't be read is listed as far as it is known, and says so. */
function parseListed(generation: number, text: string, objects: Objects): ListedRelease {
  try {
    return parse(text, objects)
  } catch (error) {
    const why = reason('release_unreadable', { generation, detail: (error as Error).message })
    const unknown = { runId: '' as RunId, sequence: 0, sha: '', state: 'superseded' as const, target: '' }
    return { ...unknown, ...partsOf(text), generation, reason: why }
  }
}

function partsOf(text: string): Partial<Omit<Release, 'order'>> {
  try {
    const { order: _, ...parts } = Object(JSON.parse(text))
    return parts
  } catch {
    return {}
  }
}

function namesOf(text: string): string[] {
  try {
    return namesIn(JSON.parse(text).order)
  } catch {
    return []
  }
}

/** What is read of releases. */
function readers(redis: Redis) {
  const objectsOf = async (key: string, text: string): Promise<Objects> => {
    const names = [...new Set(namesOf(text))]
    const texts = names.length > 0 ? await redis.hmget(key, ...names) : []
    return Object.fromEntries(names.map((name, index) => [name, texts[index]]))
  }
  const read = async (
    repo: RepositoryId,
    environment: string,
    generation: string | number,
  ): Promise<Release | undefined> => {
    const key = keys.releases(repo, environment)
    const text = await redis.hget(key, String(generation))
    return text ? parse(text, await objectsOf(key, text)) : undefined
  }
  return {
    /** The release of that generation, as long as it is kept. */
    read,

    /** The last release that was healthy, if there is one. */
    async live(repo: RepositoryId, environment: string): Promise<Release | undefined> {
      const generation = await redis.hget(keys.environment(repo, environment), 'live')
      return generation ? read(repo, environment, generation) : undefined
    },

    /** The same for people: also if it can't be read. */
    async liveListed(repo: RepositoryId, environment: string): Promise<ListedRelease | undefined> {
      const key = keys.releases(repo, environment)
      const generation = await redis.hget(keys.environment(repo, environment), 'live')
      const text = generation && (await redis.hget(key, generation))
      return text ? parseListed(Number(generation), text, await objectsOf(key, text)) : undefined
    },

    /** All kept releases of an environment, newest first. */
    async list(repo: RepositoryId, environment: string): Promise<ListedRelease[]> {
      const all = await redis.hgetall(keys.releases(repo, environment))
      return Object.entries(all)
        .filter(([field]) => isGeneration(field))
        .map(([generation, text]) => parseListed(Number(generation), text, all))
        .sort((a, b) => b.generation - a.generation)
    },
  }
}

/** Releases and generations of environments. */
export function makeReleases(redis: Redis) {
  const want = loadScript(redis, new URL('./want-release.lua', import.meta.url))
  const reach = loadScript(redis, new URL('./reach-gate.lua', import.meta.url))
  const hold = loadScript(redis, new URL('./hold-lane.lua', import.meta.url))
  const claim = loadScript(redis, new URL('./claim-generation.lua', import.meta.url))
  return {
    /**
     * Makes the run the wanted one, unless a newer one is. @param place of the run among all: its sequence of intake, unless it
     * was late. @returns the id of the run that is wanted now
     */
    want: async (run: Run, environment: string, place = run.sequence): Promise<RunId> =>
      (await want([keys.environment(run.repo, environment)], [run.id, place])) as RunId,

    /**
     * Notes that the run has come to the gate, unless a newer one has, or is wanted. @param place as for `want`. @returns the id of
     * the newest run there
     */
    reachGate: async (run: Run, environment: string, place = run.sequence): Promise<RunId> =>
      (await reach([keys.environment(run.repo, environment)], [run.id, place])) as RunId,

    /** The id of the run that is wanted. */
    wanted: async (repo: RepositoryId, environment: string): Promise<RunId | null> =>
      (await redis.hget(keys.environment(repo, environment), 'run')) as RunId | null,

    /** Takes or keeps the right to roll out. @returns false while somebody else has it */
    holdLane: async (repo: RepositoryId, environment: string, holder: string, leaseMs: number): Promise<boolean> =>
      (await hold([keys.lane(repo, environment)], [holder, leaseMs])) === 1,

    leaveLane: async (repo: RepositoryId, environment: string, holder: string): Promise<void> => {
      if ((await redis.get(keys.lane(repo, environment))) === holder) await redis.del(keys.lane(repo, environment))
    },

    /** Claims the next generation: larger than all before it, and than `live`, the one found in the target. @returns undefined when the holder has lost the lane */
    async claimGeneration(
      repo: RepositoryId,
      environment: string,
      holder: string,
      live: number,
    ): Promise<number | undefined> {
      const claimed = await claim([keys.environment(repo, environment), keys.lane(repo, environment)], [holder, live])
      return Number(claimed) || undefined
    },

    /** Writes a release; one that is live becomes what a rollback restores, one that begins leaves those behind that did not end. */
    async save(repo: RepositoryId, environment: string, release: Release): Promise<void> {
      const key = keys.releases(repo, environment)
      const objects = new Map<string, string>()
      const order = toStored(release.order, (object) => {
        const text = JSON.stringify(object)
        objects.set(nameOf(text), text)
        return nameOf(text)
      })
      const kept = new Set(await redis.hkeys(key))
      const change = redis
        .multi()
        .hset(key, String(release.generation), JSON.stringify({ ...release, order }))
        .sadd(keys.environments(repo), environment)
      for (const [name, text] of objects) if (!kept.has(name)) change.hset(key, name, text)
      if (release.state === 'live') change.hset(keys.environment(repo, environment), 'live', release.generation)
      // What is live stays, however many failed after it.
      const tooOld = String(release.generation - keptReleases)
      const isOver = kept.has(tooOld) && (await redis.hget(keys.environment(repo, environment), 'live')) !== tooOld
      if (isOver) change.hdel(key, tooOld)
      await change.exec()
      if (isOver) await forgetObjects(redis, key)
      if (release.state === 'applying') await leaveBehind(redis, key, release.generation)
    },

    ...readers(redis),
  }
}

/** Whoever was at an older release has lost the right to roll out. Those below one that has ended were noted when that one began. */
async function leaveBehind(redis: Redis, key: string, generation: number): Promise<void> {
  for (let older = generation - 1; older > 0 && older > generation - keptReleases; older--) {
    const text = await redis.hget(key, String(older))
    if (!text) continue
    const release = JSON.parse(text) as { state: ReleaseState }
    if (release.state !== 'applying' && release.state !== 'restoring') return
    await redis.hset(key, String(older), JSON.stringify({ ...release, state: 'superseded' satisfies ReleaseState }))
  }
}

/** Removes the objects that no kept release has. */
async function forgetObjects(redis: Redis, key: string): Promise<void> {
  const all = Object.entries(await redis.hgetall(key))
  const used = new Set(all.flatMap(([field, text]) => (isGeneration(field) ? namesOf(text) : [])))
  const over = all.map(([field]) => field).filter((field) => !isGeneration(field) && !used.has(field))
  if (over.length > 0) await redis.hdel(key, ...over)
}
