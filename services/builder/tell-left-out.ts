import { reason } from '@taxiway/domain/reason.ts'
import type { Mirror } from '@taxiway/git/fetch-order.ts'
import { leftOut } from '@taxiway/git/left-out.ts'
import type { TreeFile } from '@taxiway/git/tree.ts'
import type { StageContext } from '@taxiway/worker/stage.ts'

/** Says what of the commit builds and tests do not get: nobody should find out by what they ship. */
export async function tellLeftOut(
  stage: StageContext,
  mirror: Mirror,
  files: readonly TreeFile[],
  { lfs = false }: { lfs?: boolean },
): Promise<void> {
  const { pointers, submodules } = await leftOut(mirror, files, stage.signal)
  const notes = [
    ...(pointers.length > 0 && !lfs ? [reason('pointers_left', { paths: someOf(pointers) })] : []),
    ...(submodules.length > 0 ? [reason('submodules_left', { paths: someOf(submodules) })] : []),
  ]
  for (const note of notes) {
    stage.log.say(`! ${note.message}`)
    await stage.record({ type: 'noted', reason: note })
  }
}

/** The first few names, and how many more. */
const someOf = (paths: readonly string[]): string =>
  paths.length <= 5 ? paths.join(', ') : `${paths.slice(0, 5).join(', ')} and ${paths.length - 5} more`
