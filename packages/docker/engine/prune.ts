import { callDeadlineMs, type Engine, hasStatus, within } from './engine.ts'

/** Removing much takes its time. */
const pruneMs = 10 * 60_000

/** Removes what BuildKit keeps for later builds, least recently used first, until no more than `keepBytes` are left. @returns bytes freed */
export async function pruneBuildCache(engine: Engine, keepBytes: number, signal?: AbortSignal): Promise<number> {
  // Engines of API 1.48 on call it reserved-space.
  const path = `/build/prune?all=true&keep-storage=${keepBytes}&reserved-space=${keepBytes}`
  const answer = await within(pruneMs, signal, () => post(engine, path))
  return (answer as { SpaceReclaimed?: number }).SpaceReclaimed ?? 0
}

const post = (engine: Engine, path: string): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const call = { method: 'POST', path, statusCodes: { 200: true, 500: 'server error' } }
    engine.docker.modem.dial(call as never, (error, answer) => {
      if (error) reject(error)
      else resolve(answer)
    })
  })

/** Removes an image by name. @returns false while something uses it */
export async function removeUnused(engine: Engine, name: string, signal?: AbortSignal): Promise<boolean> {
  try {
    await within(callDeadlineMs, signal, () => engine.docker.getImage(name).remove())
    return true
  } catch (error) {
    if (hasStatus(error, 404)) return true
    if (hasStatus(error, 409)) return false
    throw error
  }
}
