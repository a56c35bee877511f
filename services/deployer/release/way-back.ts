import { downBefore } from '@taxiway/domain/environment/down-before.ts'
import type { Release, ReleaseOrder } from '@taxiway/domain/environment/release.ts'
import type { RunJob } from '@taxiway/domain/run/parts.ts'
import { chooseRollback } from '@taxiway/domain/run/roll-out.ts'
import type { RollOut } from '../roll-out.ts'

/** Which release is given again, and what is told of that beside how it went. */
export interface WayBack {
  previous: Release | undefined
  note: string
}

/** What was live in another namespace or cluster is still there, and is nothing to put here. */
export const isSamePlace = (
  one: Pick<ReleaseOrder, 'namespace' | 'cluster'> | undefined,
  other: ReleaseOrder,
): boolean => one?.namespace === other.namespace && one.cluster === other.cluster

/** Keeps on the record of what is live that it was down when the next release began: then that is not what is gone back to. */
export async function noteDown({ stage, deps }: Pick<RollOut, 'stage' | 'deps'>): Promise<void> {
  const { releases, environmentStates, now } = deps.store
  const environment = { repo: stage.run.repo, name: deps.environment.name }
  const live = await releases.live(environment.repo, environment.name)
  const seen = live && (await environmentStates.read(environment))
  // A try after the first sees its own half.
  if (!live || seen?.generation !== live.generation) return
  const { down: before, ...rest } = live
  const down = downBefore(seen, live, now().getTime())
  if (down === before) return
  await releases.save(environment.repo, environment.name, down === undefined ? rest : { ...rest, down })
  if (down !== undefined) stage.log.say(`${live.sha.slice(0, 7)}, which is live, is down: ${down}`)
}

/** What is live in this place, as far as the record knows. */
export async function liveHere({ stage, deps, order }: RollOut): Promise<Release | undefined> {
  const live = await deps.store.releases.live(stage.run.repo, deps.environment.name)
  return isSamePlace(live?.order, order) ? live : undefined
}

/** The last release that was healthy; one that was down since is left out where there is an earlier one. */
export async function chooseWayBack(rollOut: RollOut): Promise<WayBack> {
  const { stage, deps, order } = rollOut
  const { releases } = deps.store
  const [repo, environment] = [stage.run.repo, deps.environment.name]
  const live = await liveHere(rollOut)
  if (live?.down === undefined) return { previous: live, note: '' }
  const name = live.sha.slice(0, 7)
  const earlier = (await releases.list(repo, environment)).filter(
    (one) => isSamePlace(one.order, order) && one.generation !== stage.run.asked?.generation,
  )
  const chosen = chooseRollback(earlier, environment, live)
  const previous = chosen.ok ? await releases.read(repo, environment, chosen.value.generation) : undefined
  return previous
    ? { previous, note: `; ${name} was down before (${live.down})` }
    : { previous: live, note: `; ${name} was down before as well (${live.down})` }
}

/** Names the jobs that passed for the release: what they did stays done. */
export function jobsThatRan(jobs: readonly RunJob[] | undefined, environment: string): string {
  const names = (jobs ?? [])
    .filter((job) => job.environment === environment && job.state === 'passed')
    .map(({ name }) => name)
  const [one] = names
  if (one === undefined) return ''
  return names.length === 1
    ? `; job ${one} ran, and what it did stays done`
    : `; jobs ${names.join(', ')} ran, and what they did stays done`
}
