import { checkOracle } from '../oracle.ts'
import type { Scene, World } from '../world/world.ts'
import { approval } from './approval.ts'
import { failingTest } from './failing-test.ts'
import { firstPush } from './first-push.ts'
import { neverReady } from './never-ready.ts'
import { newestWins } from './newest-wins.ts'
import { rollback } from './rollback.ts'
import { rollingPush } from './rolling-push.ts'

/** The scenes in the order they are told: each goes on from where the one before left the repository. */
export const scenes: Scene[] = [firstPush, rollingPush, failingTest, neverReady, newestWins, approval, rollback]

/** Plays a scene; then, whatever its story is, all invariants must hold. @throws with what was not as it should be */
export async function play(scene: Scene, world: World): Promise<void> {
  await scene.play(world)
  await checkOracle(world.observed)
}
