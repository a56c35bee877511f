import type { Scene } from '../world/world.ts'
import { approval } from './approval.ts'
import { failingTest } from './failing-test.ts'
import { firstPush } from './first-push.ts'
import { neverReady } from './never-ready.ts'
import { newestWins } from './newest-wins.ts'
import { rollback } from './rollback.ts'
import { rollingPush } from './rolling-push.ts'

/** The scenes in the order they are told: each goes on from where the one before left the repository. */
export const scenes: Scene[] = [firstPush, rollingPush, failingTest, neverReady, newestWins, approval, rollback]
