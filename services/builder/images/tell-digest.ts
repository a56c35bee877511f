import { reason } from '@taxiway/domain/reason.ts'
import { parseImageReference } from '@taxiway/registry/reference.ts'
import type { Store } from '@taxiway/store/store.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'
import { wholeName } from './registry-images.ts'

/** An image of a registry that a run uses. */
export interface UsedImage {
  name: string
  digest?: string | undefined
  /** The engine's own id for it: no registry is known to have it. */
  isImageId?: boolean | undefined
}

/** Says which image a name stood for, and tells of one that has moved since the last run of the repository that used it. */
export async function tellDigest(
  { run, log, record }: Pick<StageContext, 'run' | 'record'> & { log: { say(line: string): void } },
  store: Pick<Store, 'usedDigests'>,
  user: string,
  { name, digest, isImageId }: UsedImage,
): Promise<void> {
  if (digest === undefined) return
  const parsed = parseImageReference(name)
  log.say(`${user} ${name}, which is ${isImageId ? `the engine's own image ${digest}` : digest}`)
  // Code that nobody approved leaves nothing behind; a name with a digest can't move.
  if (!parsed || parsed.digest || run.trusted === false) return
  const before = await store.usedDigests.use(run.repo, wholeName(name), digest)
  if (before === undefined || before === digest) return
  const moved = reason('image_moved', { image: name, before: short(before), now: short(digest) })
  log.say(`note: ${moved.message}`)
  await record({ type: 'noted', reason: moved })
}

/** Enough to tell digests apart. */
const short = (digest: string) => digest.slice(0, 'sha256:'.length + 12)
