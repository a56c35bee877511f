import type { RunRelease } from '@taxiway/domain/run/parts.ts'
import { expect, test } from 'vitest'
import { failureOf } from './restore.ts'

test('what a release is taken back for is what its record says was wrong, whatever the sentence for people reads', () => {
  const release: RunRelease = {
    environment: 'production',
    generation: 2,
    state: 'restoring',
    reason: { code: 'deploy_unhealthy', message: 'Another sentence.' },
  }
  expect(failureOf({ ...release, failure: 'web: exit 1' })).toEqual({ detail: 'web: exit 1' })
  expect(failureOf(release)).toEqual({ detail: 'its deployer was lost' })
})
