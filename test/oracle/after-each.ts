import { afterEach } from 'vitest'
import { checkOracle } from '../oracle.ts'
import type { Observed } from './observed.ts'

/** After each test of this file that passed, all seven invariants must hold. Hooks that stop what is looked at are set before. */
export function oracleAfterEach(observed: () => Observed): void {
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail') await checkOracle(observed())
  }, 120_000)
}
