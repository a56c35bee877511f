import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { reasonCodes } from '@taxiway/domain/reason.ts'
import { expect, test } from 'vitest'

test('every reason code is given out somewhere', () => {
  const root = join(import.meta.dirname, '..')
  const lists = ['packages/domain/reason.ts', 'packages/domain/fault.ts']
  const text = globSync('{packages,services}/**/*.ts', { cwd: root })
    .filter((file) => !/node_modules|\.test\.ts$/.test(file) && !lists.includes(file))
    .map((file) => readFileSync(join(root, file), 'utf8').replaceAll(/^ {2}\w+: \d{3},$/gm, ''))
    .join('\n')
  expect(reasonCodes.filter((code) => !text.includes(`'${code}'`))).toEqual([])
})
