import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { giveBackMemory } from './memory.ts'

/** Becomes old, then garbage. @returns what tells whether it is still there */
async function leave(count: number): Promise<WeakRef<object>> {
  const kept = Array.from({ length: count }, (_, index) => ({ index }))
  for (let round = 0; round < 20; round++) Array.from({ length: 200_000 }, () => ({ round }))
  await sleep(1)
  return new WeakRef(kept)
}

test('what work has left is collected, though there is room for it', async () => {
  const left = await leave(500_000)
  // How much of the young garbage is still there is up to chance, and would count as what was there before.
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')({ type: 'minor' })
  await sleep(100)
  expect(left.deref()).toBeDefined()
  giveBackMemory({ everyMs: 20, growthMb: 8 })
  await leave(500_000)
  await expect.poll(() => left.deref(), { timeout: 10_000 }).toBeUndefined()
})
