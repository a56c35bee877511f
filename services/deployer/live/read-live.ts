import type { LiveRelease } from '@taxiway/domain/environment/release.ts'
import type { EnvironmentRef } from '@taxiway/store/environments/seen.ts'
import type { Store } from '@taxiway/store/store.ts'

/** The release that is live in an environment, with what people chose since. Undefined: none is. */
export async function readLive(
  { releases, changes }: Pick<Store, 'releases' | 'changes'>,
  environment: EnvironmentRef,
): Promise<LiveRelease | undefined> {
  const release = await releases.live(environment.repo, environment.name)
  if (!release) return undefined
  const byHand = await changes.byHand(environment)
  const { generation, drift = 'report' } = release
  return { order: release.order, generation, byHand, drift }
}
