import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { reasonCodes } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'

test('every reason code is given out somewhere', () => {
  const root = join(import.meta.dirname, '..')
  const text = globSync('{packages,services}/**/*.ts', { cwd: root })
    .filter((file) => !/node_modules|\.test\.ts$|domain\/reasons\//.test(file))
    .map((file) => readFileSync(join(root, file), 'utf8'))
    .join('\n')
  expect(reasonCodes.filter((code) => !text.includes(`'${code}'`))).toEqual([])
})
