import { type Digest, parseDigest } from '@taxiway/domain/ids.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import { callDeadlineMs, type Engine, hasStatus, within } from '../engine/engine.ts'

/** An image as an engine has it. */
export interface LocalImage {
  id: string
  /** By which its own registry knows it; missing for what was made or loaded here. */
  digest?: Digest
}

/** What the engine has under a name, or undefined. */
export async function localImage(engine: Engine, name: string, signal?: AbortSignal): Promise<LocalImage | undefined> {
  try {
    const { Id, RepoDigests } = await within(callDeadlineMs, signal, () => engine.docker.getImage(name).inspect())
    const wanted = parseImageReference(name)
    const own = (RepoDigests ?? [])
      .map(parseImageReference)
      .find((one) => one?.registry === wanted?.registry && one?.repository === wanted?.repository)
    const digest = parseDigest(own?.digest ?? '')
    return { id: Id, ...(digest ? { digest } : {}) }
  } catch (error) {
    if (hasStatus(error, 404)) return undefined
    throw error
  }
}
