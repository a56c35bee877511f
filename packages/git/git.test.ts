import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { isSo } from './git.ts'

const folder = tmpdir()

test('an answer that the machine has no time for is not taken for a no', async () => {
  expect(await isSo(['--version'], { folder })).toBe(true)
  expect(await isSo(['cat-file', '-e', 'HEAD'], { folder })).toBe(false)
  await expect(isSo(['-c', 'alias.wait=!sleep 20', 'wait'], { folder }, 200)).rejects.toThrow(
    'had no answer within 0.2 s',
  )
})
